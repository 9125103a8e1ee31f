// Package logits compares predictions of the next token, as rows of logits
// [n_vocab].
package logits

import (
	"math"
	"runtime"
	"sync"
)

// LogSum is log Σ exp x, in nats.
func LogSum(x []float32) float64 {
	top := float64(x[argmax(x)])
	sums := inParts(len(x), func(lo, hi int) (s [2]float64) {
		for _, v := range x[lo:hi] {
			s[0] += math.Exp(float64(v) - top)
		}
		return s
	})
	return top + math.Log(sums[0])
}

// Divergence is KL(p || q) in nats, and whether the likeliest token of both is
// the same. sumQ is LogSum(q).
func Divergence(p, q []float32, sumQ float64) (kl float64, same bool) {
	at := argmax(p)
	top := float64(p[at])
	// Σ p (log p - log q) = Σ e (x_p - x_q) / Σ e - (log Σ exp x_p - log Σ exp x_q)
	sums := inParts(len(p), func(lo, hi int) (s [2]float64) {
		for i := lo; i < hi; i++ {
			if e := math.Exp(float64(p[i]) - top); e > 0 {
				s[0] += e
				s[1] += e * (float64(p[i]) - float64(q[i]))
			}
		}
		return s
	})
	kl = sums[1]/sums[0] - (top + math.Log(sums[0]) - sumQ)
	return max(0, kl), at == argmax(q)
}

func argmax(x []float32) int {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}

// partLength is a part that is worth a goroutine of its own: some 0.1 ms.
const partLength = 8192

// inParts adds up what f gives for parts of [0, n), in order, so that the sum
// does not depend on how many processors there are.
func inParts(n int, f func(lo, hi int) [2]float64) (sum [2]float64) {
	parts := make([][2]float64, (n+partLength-1)/partLength)
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(parts))
	for w := range workers {
		run := func() {
			for i := w; i < len(parts); i += workers {
				parts[i] = f(i*partLength, min(n, (i+1)*partLength))
			}
		}
		if w == workers-1 {
			run()
			break
		}
		wg.Go(run)
	}
	wg.Wait()
	for _, p := range parts {
		sum[0] += p[0]
		sum[1] += p[1]
	}
	return sum
}
