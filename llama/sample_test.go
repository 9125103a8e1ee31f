package llama_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"retcon/llama"
)

func TestGreedy(t *testing.T) {
	for _, c := range []struct {
		logits []float32
		want   int32
	}{
		{[]float32{-3}, 0},
		{[]float32{1, 3, 2}, 1},
		{[]float32{2, 5, 5, 5}, 1},
		{[]float32{float32(math.Inf(-1)), -1e30}, 1},
	} {
		if got := llama.Greedy(c.logits); got != c.want {
			t.Errorf("%v: %d", c.logits, got)
		}
	}
}

func TestSampleTopK(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	logits := make([]float32, 50)
	for i := range logits {
		logits[i] = float32(3 * rng.NormFloat64())
	}
	logits[7] = logits[11] // a tie
	order := make([]int32, len(logits))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	const k, draws = 5, 40000
	counts := map[int32]int{}
	for range draws {
		counts[llama.SampleTopK(logits, k, rng)]++
	}
	sum := 0.0
	for _, id := range order[:k] {
		sum += math.Exp(float64(logits[id]))
	}
	for _, id := range order[:k] {
		p := math.Exp(float64(logits[id])) / sum
		// five standard deviations of a count
		if got := float64(counts[id]) / draws; math.Abs(got-p) > 5*math.Sqrt(p*(1-p)/draws) {
			t.Errorf("token %d of probability %.4f came at %.4f", id, p, got)
		}
		delete(counts, id)
	}
	if len(counts) != 0 {
		t.Errorf("tokens beyond the first %d: %v", k, counts)
	}
}

func TestSampleTopKEdges(t *testing.T) {
	logits := []float32{0, 2, 1}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, k := range []int{-1, 0, 1} {
		if got := llama.SampleTopK(logits, k, rng); got != 1 {
			t.Errorf("k = %d: %d", k, got)
		}
	}
	for range 100 {
		if got := llama.SampleTopK(logits, 100, rng); got < 0 || got > 2 {
			t.Fatalf("token %d of 3", got)
		}
	}
	draw := func() (ids []int32) {
		rng := rand.New(rand.NewPCG(8, 8))
		for range 20 {
			ids = append(ids, llama.SampleTopK(logits, 3, rng))
		}
		return ids
	}
	if !slices.Equal(draw(), draw()) {
		t.Error("a seed does not fix the draws")
	}
	far := []float32{1000, float32(math.Inf(-1)), -1000}
	for range 100 {
		if got := llama.SampleTopK(far, 3, rng); got != 0 {
			t.Fatalf("token %d of probability 0", got)
		}
	}
}
