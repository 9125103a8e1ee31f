package rome

import (
	"context"
	"math"
	"slices"

	"retcon/edit"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// Value is the outcome of optimising a value.
type Value struct {
	Delta   []float32 // [n_embd], v* - W k*
	Losses  []edit.StepLoss
	AtClamp bool // ||delta|| was at its bound when the optimisation ended
}

// OptimiseValue finds delta, what is to be added to the layer's output at the
// subject so that the target follows (ROME, equation 4; compute_v.py):
//
//	min  L(delta) + WeightDecay ||delta|| / ||init||²,  ||delta|| <= Clamp ||init||
//
// by h.Optimizer from zero, projecting after each step. init [n_embd] is the
// clean output for the bare prompt. It ends after h.Steps evaluations, of which
// the last takes no step, or once the loss is below h.StopLoss or the target's
// part of it below h.StopNLL. step, if not nil, is called after each evaluation.
//
// Batches of the rows take turns. The losses are then those of all rows, each
// as it was when its turn came. h.StopNLL is for the batch at hand: the others'
// losses are some steps old, and higher than they would be now.
func OptimiseValue(ctx context.Context, o lm.Objective, rows []lm.ObjectiveRow, batches []lm.Batch, init []float32, h HParams, step func(i int, l edit.StepLoss)) (Value, error) {
	values, errs, err := optimiseValues(ctx, o, []*valueTask{{rows: rows, batches: batches, init: init, step: step}}, h)
	if err != nil {
		return Value{}, err
	}
	return values[0], errs[0]
}

// valueTask is one of the values that are optimised at once, each over rows of
// its own.
type valueTask struct {
	rows    []lm.ObjectiveRow
	batches []lm.Batch
	init    []float32
	watch   *sinkWatch // may be nil
	step    func(i int, l edit.StepLoss)

	size float64 // ||init||
	seen *latest
	opt  optimizer
	v    Value
	done bool
}

// optimiseValues is [OptimiseValue] of several tasks over one objective, whose
// rows and batches are those of [joint]. A task that cannot go on has its error
// in errs, and the others do.
func optimiseValues(ctx context.Context, o lm.Objective, tasks []*valueTask, h HParams) (values []Value, errs []error, err error) {
	n := len(tasks[0].init)
	values, errs = make([]Value, len(tasks)), make([]error, len(tasks))
	for i, t := range tasks {
		errs[i] = t.begin(h)
	}
	delta, grad := make([]float32, n*len(tasks)), make([]float32, n*len(tasks))
	for i := 0; i < h.Steps && slices.ContainsFunc(tasks, func(t *valueTask) bool { return !t.done }); i++ {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		batch := i % len(tasks[0].batches)
		for k, t := range tasks {
			copy(delta[k*n:], t.v.Delta)
		}
		loss, err := o.Step(ctx, batch, delta, grad)
		if err != nil {
			return nil, nil, err
		}
		for k, t := range tasks {
			rows := len(t.batches[batch].Rows)
			own := lm.Loss{NLL: loss.NLL[:rows], KL: loss.KL[:rows]}
			loss = lm.Loss{NLL: loss.NLL[rows:], KL: loss.KL[rows:]}
			if !t.done {
				errs[k] = t.take(i, batch, own, grad[k*n:][:n], h)
			}
		}
	}
	for k, t := range tasks {
		values[k] = t.v
	}
	return values, errs, nil
}

func (t *valueTask) begin(h HParams) error {
	t.size = vec.Norm(t.init)
	t.v.Delta = make([]float32, len(t.init))
	if !(t.size > 0) || math.IsInf(t.size, 0) {
		t.done = true
		return fault.Errorf(edit.ErrRefused, "the layer's output at the subject has norm %v", t.size)
	}
	t.opt, t.seen = newOptimizer(h, t.size, len(t.init)), newLatest(t.rows, t.batches)
	return nil
}

// take takes in the loss of a batch and its gradient [n_embd], and a step.
func (t *valueTask) take(i, batch int, loss lm.Loss, grad []float32, h HParams) error {
	if t.watch != nil && t.watch.gaveUp(loss) {
		t.done = true
		return errSink
	}
	t.seen.add(batch, loss)
	l := edit.StepLoss{Decay: h.WeightDecay * vec.Norm(t.v.Delta) / (t.size * t.size)}
	l.NLL, l.KL = t.seen.parts()
	l.Total = l.NLL + l.KL + l.Decay
	t.v.Losses = append(t.v.Losses, l)
	if t.step != nil {
		t.step(i, l)
	}
	if math.IsNaN(l.Total) || math.IsInf(l.Total, 0) || !vec.Finite(grad) {
		t.done = true
		return fault.Advise(fault.Errorf(edit.ErrRefused, "the loss or its gradient is not finite in step %d", i+1), fault.ShorterStep, fault.OtherLayer)
	}
	if (l.Total < h.StopLoss || t.seen.nllOf(batch) < h.StopNLL) && t.seen.whole() || i == h.Steps-1 {
		t.done = true
		return nil
	}
	addDecay(grad, t.v.Delta, h.WeightDecay/(t.size*t.size))
	t.opt.step(t.v.Delta, grad, batchLoss(t.batches[batch], t.rows, loss)+l.Decay)
	t.v.AtClamp = project(t.v.Delta, h.Clamp*t.size)
	return nil
}

// addDecay adds the gradient of weight ||delta||, which is taken as 0 at 0.
func addDecay(grad, delta []float32, weight float64) {
	size := vec.Norm(delta)
	if size == 0 {
		return
	}
	for i, d := range delta {
		grad[i] += float32(weight * float64(d) / size)
	}
}

// project scales delta down to length most, and reports whether it had to.
func project(delta []float32, most float64) bool {
	size := vec.Norm(delta)
	if size <= most {
		return false
	}
	for i := range delta {
		delta[i] = float32(float64(delta[i]) * most / size)
	}
	return true
}
