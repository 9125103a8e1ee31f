package llama

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Greedy is the likeliest token of logits, the first where several are.
func Greedy(logits []float32) int32 {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	return int32(best)
}

// SampleTopK draws one of the k likeliest tokens by its probability among them.
func SampleTopK(logits []float32, k int, rng *rand.Rand) int32 {
	if k <= 1 {
		return Greedy(logits)
	}
	k = min(k, len(logits))
	top := make([]int32, 0, k+1) // falling
	for i, l := range logits {
		if len(top) == k && l <= logits[top[k-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(top, l, func(t int32, l float32) int {
			if logits[t] >= l {
				return -1
			}
			return 1
		})
		top = slices.Insert(top, at, int32(i))
		top = top[:min(len(top), k)]
	}
	sum := 0.0
	weights := make([]float64, len(top))
	for i, t := range top {
		weights[i] = math.Exp(float64(logits[t] - logits[top[0]]))
		sum += weights[i]
	}
	r := rng.Float64() * sum
	for i, w := range weights {
		if r -= w; r < 0 {
			return top[i]
		}
	}
	return top[len(top)-1]
}
