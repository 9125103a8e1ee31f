package edit

import (
	"context"
	"math"
)

// StepLoss is the loss of one step and its parts, in nats, as the reference
// prints them.
type StepLoss struct {
	Total float64 `json:"total"`
	NLL   float64 `json:"nll"`
	KL    float64 `json:"kl"`    // times KLFactor
	Decay float64 `json:"decay"` // WeightDecay ||delta|| / ||target_init||²
}

// Value is the outcome of optimising a value.
type Value struct {
	Delta   []float32 // [n_embd], v* - W k*
	Losses  []StepLoss
	AtClamp bool // ||delta|| was at its bound when the optimisation ended
}

// OptimiseValue finds delta, what is to be added to the layer's output at the
// subject so that the target follows (ROME, equation 4; compute_v.py):
//
//	min  L(delta) + WeightDecay ||delta|| / ||init||²,  ||delta|| <= Clamp ||init||
//
// by Adam (0.9, 0.999, 1e-8) from zero, projecting after each step. init
// [n_embd] is the clean output for the bare prompt. It ends after h.Steps
// evaluations, of which the last takes no step, or once the loss is below
// h.StopLoss. step, if not nil, is called after each evaluation.
//
// Batches of the rows take turns. The losses are then those of all rows, each
// as it was when its turn came.
func OptimiseValue(ctx context.Context, o Objective, rows []ObjectiveRow, batches []Batch, init []float32, h HParams, step func(i int, l StepLoss)) (Value, error) {
	n := len(init)
	size := norm(init)
	if !(size > 0) || math.IsInf(size, 0) {
		return Value{}, errorf(ErrRefused, "the layer's output at the subject has norm %v", size)
	}
	v := Value{Delta: make([]float32, n)}
	grad := make([]float32, n)
	opt := newAdam(n, h.LR)
	seen := newLatest(rows, batches)
	for i := range h.Steps {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		batch := i % len(batches)
		loss, err := o.Step(ctx, batch, v.Delta, grad)
		if err != nil {
			return v, err
		}
		seen.add(batch, loss)
		l := StepLoss{Decay: h.WeightDecay * norm(v.Delta) / (size * size)}
		l.NLL, l.KL = seen.parts()
		l.Total = l.NLL + l.KL + l.Decay
		v.Losses = append(v.Losses, l)
		if step != nil {
			step(i, l)
		}
		if math.IsNaN(l.Total) || math.IsInf(l.Total, 0) || !finite(grad) {
			return v, errorf(ErrRefused, "the loss or its gradient is not finite in step %d; try a lower learning rate or another layer", i+1)
		}
		if l.Total < h.StopLoss && seen.whole() || i == h.Steps-1 {
			break
		}
		addDecay(grad, v.Delta, h.WeightDecay/(size*size))
		opt.step(v.Delta, grad)
		v.AtClamp = project(v.Delta, h.Clamp*size)
	}
	return v, nil
}

// addDecay adds the gradient of weight ||delta||, which is taken as 0 at 0.
func addDecay(grad, delta []float32, weight float64) {
	size := norm(delta)
	if size == 0 {
		return
	}
	for i, d := range delta {
		grad[i] += float32(weight * float64(d) / size)
	}
}

// project scales delta down to length most, and reports whether it had to.
func project(delta []float32, most float64) bool {
	size := norm(delta)
	if size <= most {
		return false
	}
	for i := range delta {
		delta[i] = float32(float64(delta[i]) * most / size)
	}
	return true
}

// adam is Kingma and Ba's optimiser as torch.optim.Adam has it.
type adam struct {
	lr   float64
	m, v []float64
	t    int
}

func newAdam(n int, lr float64) *adam {
	return &adam{lr: lr, m: make([]float64, n), v: make([]float64, n)}
}

func (a *adam) step(x, grad []float32) {
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
