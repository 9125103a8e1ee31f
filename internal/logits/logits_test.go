package logits

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

func row(rng *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(scale * rng.NormFloat64())
	}
	return x
}

// naive is the definition, term by term.
func naive(p, q []float32) (kl, logSumQ float64) {
	logs := func(x []float32) ([]float64, float64) {
		s := 0.0
		for _, v := range x {
			s += math.Exp(float64(v))
		}
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = float64(v) - math.Log(s)
		}
		return out, math.Log(s)
	}
	lp, _ := logs(p)
	lq, sum := logs(q)
	for i := range lp {
		kl += math.Exp(lp[i]) * (lp[i] - lq[i])
	}
	return kl, sum
}

func TestDivergence(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 100, partLength, partLength + 1, 49152} {
		p := row(rng, n, 4)
		for _, moved := range []float64{1e-3, 0.1, 3} {
			q := row(rng, n, moved)
			for i := range q {
				q[i] += p[i] + 7 // a constant changes no prediction
			}
			want, sum := naive(p, q)
			got := LogSum(q)
			if math.Abs(got-sum) > 1e-9 {
				t.Errorf("%d logits: LogSum %v, not %v", n, got, sum)
			}
			kl, same := Divergence(p, q, got)
			if math.Abs(kl-want) > 1e-9*max(1, want) {
				t.Errorf("%d logits moved by %g: KL %v, not %v", n, moved, kl, want)
			}
			if same != (argmax(p) == argmax(q)) {
				t.Errorf("%d logits moved by %g: same %v", n, moved, same)
			}
		}
		if kl, same := Divergence(p, p, LogSum(p)); kl > 1e-12 || !same {
			t.Errorf("%d logits: KL %v to itself, %v", n, kl, same)
		}
	}
}

// Tokens that cannot come count for nothing in p, and make q infinitely far.
func TestImpossibleTokens(t *testing.T) {
	never := float32(math.Inf(-1))
	p, q := []float32{1, never, 2}, []float32{1, 1, 2}
	if kl, _ := Divergence(p, q, LogSum(q)); !(kl > 0 && kl < 1) {
		t.Errorf("KL %v", kl)
	}
	if kl, _ := Divergence(q, p, LogSum(p)); !math.IsInf(kl, 1) {
		t.Errorf("KL %v", kl)
	}
}

// The sums do not depend on the number of processors.
func TestProcessors(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	p, q := row(rng, 100000, 3), row(rng, 100000, 3)
	sum := LogSum(q)
	kl, _ := Divergence(p, q, sum)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if got := LogSum(q); got != sum {
		t.Errorf("LogSum %v and %v", got, sum)
	}
	if got, _ := Divergence(p, q, sum); got != kl {
		t.Errorf("KL %v and %v", got, kl)
	}
}

func BenchmarkDivergence(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	p, q := row(rng, 49152, 3), row(rng, 49152, 3)
	for b.Loop() {
		Divergence(p, q, LogSum(q))
	}
}

// Probability, its logarithm and the whole softmax are one distribution, also
// where logits are far from 0.
func TestSoftmax(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, shift := range []float32{0, 1e4, -1e4} {
		x := row(rng, 1000, 4)
		for i := range x {
			x[i] += shift
		}
		p := make([]float32, len(x))
		Softmax(p, x)
		sum := 0.0
		for i := range x {
			want := Probability(x, int32(i))
			sum += want
			if math.Abs(float64(p[i])-want) > 1e-6*want || math.Abs(math.Exp(LogProbability(x, int32(i)))-want) > 1e-12*want {
				t.Fatalf("shift %g, token %d: %g and exp %g, want %g", shift, i, p[i], LogProbability(x, int32(i)), want)
			}
			if got := math.Exp(float64(x[i]) - LogSum(x)); math.Abs(got-want) > 1e-6*want {
				t.Fatalf("shift %g, token %d: %g by the sum", shift, i, got)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("shift %g: probabilities sum to %g", shift, sum)
		}
	}
}
