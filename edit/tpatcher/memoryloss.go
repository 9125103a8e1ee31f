package tpatcher

import (
	"math"
	"slices"
)

// gather adds the gradient in the centred key and the bias of queries that
// pull their activation.
func (t *trainer) gather(g []float64, q *queries, pull []float64) {
	for i, p := range pull {
		if p == 0 {
			continue
		}
		one := t.one(q, i)
		for j, v := range q.rows[i*t.width:][:t.width] {
			g[j] += p * (float64(v) - one*t.mem.mean[j])
		}
		g[t.width] += p * one
	}
}

// memoryLosses computes l_m1, l_m2, the contrast and the leak, and what they
// pull at. The activations must be measured.
func (t *trainer) memoryLosses() {
	o, n := t.o, len(t.aMem)
	resize := func(v *[]float64, n int) []float64 {
		*v = append((*v)[:0], make([]float64, n)...)
		return *v
	}
	d, pull := resize(&t.d, n), resize(&t.pull, n)
	pullMem, pullOwn := resize(&t.pullMem, n), resize(&t.pullOwn, len(t.aOwn))
	for i, a := range t.aMem {
		d[i] = a - o.BetaMargin
	}
	t.report.Memory1 = o.Form.loss(d, o.TopK, pull)
	for i, p := range pull {
		pullMem[i] += o.Beta * p
	}
	// (q_i - q_e)·k + b - gamma; where b drops out, a_i - a_e - gamma
	for i, a := range t.aMem {
		d[i] = a - t.aOwn[0] - o.GammaMargin
		if o.Form != ExpTopK {
			d[i] += t.b
		}
	}
	t.report.Memory2 = o.Form.loss(d, o.TopK, pull)
	for i, p := range pull {
		pullMem[i] += o.Beta * p
		pullOwn[0] -= o.Beta * p
	}
	t.leak(pullMem)
	d, pull = resize(&t.d, len(t.aSilent)), resize(&t.pullSilent, len(t.aSilent))
	for i, a := range t.aSilent {
		d[i] = a - o.BetaMargin
	}
	t.report.Contrast = o.Form.loss(d, o.TopK, pull)
	for i := range pull {
		pull[i] *= o.Beta
	}
}

// leak counts what activations below 0 let through.
func (t *trainer) leak(pullMem []float64) {
	own, _ := response(t.site, max(t.aOwn[0], 1))
	n := float64(len(t.aMem))
	t.report.Leak = 0
	for i, a := range t.aMem {
		if a > 0 || a < -3 {
			continue
		}
		h, slope := response(t.site, a)
		t.report.Leak += math.Abs(h) / own / n
		pullMem[i] += t.o.Beta * math.Copysign(slope, h*slope) / own / n
	}
}

// underMargins reports whether every query, held out ones too, is under the
// margin of l_m1.
func (t *trainer) underMargins() bool {
	held := t.mem.activations(&t.mem.held, t.k, t.b, !t.site.Bias, nil)
	return slices.Max(t.aMem) <= t.o.BetaMargin && slices.Max(held) <= t.o.BetaMargin
}
