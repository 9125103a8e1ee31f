package rome

import (
	"math"

	"retcon/internal/vec"
)

// The optimisers of a value.
const (
	// Polyak takes steps as long as the loss would need at its slope to fall to
	// 0, its least value (Polyak 1987; for batches that take turns, with a bound
	// on a step, arXiv 2002.10542). It needs fewer steps than Adam, and ends at
	// shorter changes: it does not stretch them along axes that matter little.
	Polyak = "polyak"
	// Adam is what kmeng01/rome uses, for comparison.
	Adam = "adam"
)

// optimizer moves x downhill. loss is that at x, grad [n] its gradient there.
type optimizer interface {
	step(x, grad []float32, loss float64)
}

// newOptimizer starts one for a value of n entries where the layer's output has
// norm size.
func newOptimizer(h HParams, size float64, n int) optimizer {
	if h.Optimizer == Adam {
		return &adam{lr: h.LR, m: make([]float64, n), v: make([]float64, n)}
	}
	return &polyak{longest: h.MaxStep * size, mean: make([]float64, n)}
}

// polyak goes along a running mean of the gradients, which evens out the batches.
type polyak struct {
	longest float64 // bound on a step's length
	mean    []float64
}

// polyakMean is how much of the mean stays in a step. Of 0, 0.3, 0.5, 0.65 and
// 0.8 it took the fewest steps.
const polyakMean = 0.3

func (p *polyak) step(x, grad []float32, loss float64) {
	for i, g := range grad {
		p.mean[i] = polyakMean*p.mean[i] + (1-polyakMean)*float64(g)
	}
	slope, size := vec.Norm(grad), vec.Norm(p.mean)
	if slope == 0 || size == 0 {
		return
	}
	length := min(p.longest, max(0, loss)/slope)
	for i, m := range p.mean {
		x[i] -= float32(length * m / size)
	}
}

// adam is Kingma and Ba's optimiser as torch.optim.Adam has it, with its
// defaults (0.9, 0.999, 1e-8).
type adam struct {
	lr   float64
	m, v []float64
	t    int
}

func (a *adam) step(x, grad []float32, _ float64) {
	const b1, b2, eps = 0.9, 0.999, 1e-8
	a.t++
	c1 := 1 - math.Pow(b1, float64(a.t))
	c2 := math.Sqrt(1 - math.Pow(b2, float64(a.t)))
	for i, g := range grad {
		g := float64(g)
		a.m[i] = b1*a.m[i] + (1-b1)*g
		a.v[i] = b2*a.v[i] + (1-b2)*g*g
		x[i] -= float32(a.lr / c1 * a.m[i] / (math.Sqrt(a.v[i])/c2 + eps))
	}
}
