package tpatcher

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"retcon/internal/vec"
	"retcon/lm"
)

const (
	fakeWidth = 24
	fakeVocab = 40
)

// fakeHead is a softmax over a random matrix of the sum of a residual stream
// and what is added.
type fakeHead struct {
	queries  []float32
	residual []float32
	matrix   []float32 // [vocab, width]
	targets  []int32
	weights  []float32
	best     []int32
}

func newFakeHead(rng *rand.Rand, queries []float32) *fakeHead {
	h := &fakeHead{queries: queries, residual: make([]float32, len(queries)), matrix: make([]float32, fakeVocab*fakeWidth)}
	for i := range h.residual {
		h.residual[i] = float32(rng.NormFloat64())
	}
	for i := range h.matrix {
		h.matrix[i] = float32(rng.NormFloat64())
	}
	return h
}

func (h *fakeHead) Queries() []float32 { return h.queries }

func (h *fakeHead) Target(tokens []int32, weights []float32) error {
	h.targets, h.weights = tokens, append([]float32(nil), weights...)
	return nil
}

func (h *fakeHead) Step(_ context.Context, add, grad []float32, nll []float64) error {
	h.best = make([]int32, len(nll))
	for r := range nll {
		x := make([]float32, fakeWidth)
		for j := range x {
			x[j] = h.residual[r*fakeWidth+j] + add[r*fakeWidth+j]
		}
		logits, top := make([]float64, fakeVocab), math.Inf(-1)
		for t := range logits {
			logits[t] = vec.Dot32(h.matrix[t*fakeWidth:][:fakeWidth], x)
			if logits[t] > top {
				top, h.best[r] = logits[t], int32(t)
			}
		}
		sum := 0.0
		for _, l := range logits {
			sum += math.Exp(l - top)
		}
		nll[r] = top + math.Log(sum) - logits[h.targets[r]]
		g := grad[r*fakeWidth:][:fakeWidth]
		clear(g)
		for t, l := range logits {
			p := math.Exp(l-top) / sum
			if int32(t) == h.targets[r] {
				p--
			}
			for j := range g {
				g[j] += h.weights[r] * float32(p) * h.matrix[t*fakeWidth+j]
			}
		}
	}
	return nil
}

func (h *fakeHead) Best() ([]int32, error) { return h.best, nil }
func (h *fakeHead) Close() error           { return nil }

// query draws a query around a common mean, as the inputs of a real network
// are: most of their length is the same for all.
func query(rng *rand.Rand) []float32 {
	q := make([]float32, fakeWidth)
	for j := range q {
		q[j] = float32(4*math.Cos(float64(j)) + rng.NormFloat64())
	}
	return q
}

func fakeMemory(t testing.TB, rng *rand.Rand, n int) *Memory {
	t.Helper()
	m := NewMemory(fakeWidth)
	for i := range n {
		m.Add(query(rng), i%5 == 0)
	}
	if err := m.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	return m
}

func fakeSite(act lm.Activation, gated, bias bool) lm.Network {
	return lm.Network{Width: fakeWidth, Vocab: fakeVocab, Act: act, Gated: gated, Bias: bias, UpBias: bias && gated, GateScale: 0.5, UpScale: 2}
}
