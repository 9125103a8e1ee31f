package rome

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// Rank is one computed edit with all that is reported of it.
type Rank struct {
	lm.Update
	Report   edit.UpdateReport
	Warnings []string
	// MeanKey is k* [n_ff]; Delta is v* - W k* [n_embd].
	MeanKey []float64
	Value   Value
	// Sink reports that the bare prompt's key could not be changed without
	// changing that of every text's first tokens: the fact is edited after a
	// prefix only.
	Sink bool
}

// romeEdit is the edit of one fact at a layer under way.
type romeEdit struct {
	*Rank
	fact         fact.Fact
	rows         *editRows
	first        [][]float32 // keys of other texts' first tokens, if they matter
	keys, values [][]float32 // of the rows but the KL term's
	left         []float64
}

// compute computes the update of one fact at a layer, on the model as it is
// applied now: rows, k*, u, v*, Delta (ROME, sections 3.1 and equation 2).
func compute(ctx context.Context, m lm.Model, f fact.Fact, layer int, prefixes []string, c covariance.Solver, h HParams, step func(int, edit.StepLoss)) (*Rank, error) {
	e, err := newRomeEdit(ctx, m, f, layer, prefixes, h)
	if err != nil {
		return nil, err
	}
	t, obj, err := e.prepare(ctx, m, c, h, step)
	if err != nil {
		return nil, err
	}
	e.Value, err = optimise(ctx, obj, t, h)
	return e.conclude(ctx, m, c, h, step, err)
}

// prepare finds k* and u, and makes the objective of the value.
func (e *romeEdit) prepare(ctx context.Context, m lm.Model, c covariance.Solver, h HParams, step func(int, edit.StepLoss)) (t *valueTask, obj lm.Objective, err error) {
	early := m.Info().FeedForward[e.Layer] > lateKeys
	if early {
		if err := e.aim(ctx, m, c, h, nil); err != nil {
			return nil, nil, err
		}
	}
	t = e.task(h, step)
	if !early {
		for i := range e.rows.spans {
			t.rows[i].Key = true
		}
	}
	if obj, err = m.Objective(ctx, e.Layer, t.rows, t.batches); err != nil || early {
		return t, obj, err
	}
	if err := e.aim(ctx, m, c, h, obj); err != nil {
		obj.Close()
		return nil, nil, err
	}
	debug.FreeOSMemory() // of what C was read into, before the steps take theirs
	if e.Sink {
		obj.Close()
		t = e.task(h, step) // without the bare prompt
		obj, err = m.Objective(ctx, e.Layer, t.rows, t.batches)
	}
	t.init = e.values[0]
	return t, obj, err
}

// lateKeys is the longest key that is taken from the objective, which meets the
// keys on its way. To solve for u, C is read a row of tiles at a time; beside the
// objective of a model with longer ones that would be too much memory.
var lateKeys = 4096

// newRomeEdit has the rows.
func newRomeEdit(ctx context.Context, m lm.Model, f fact.Fact, layer int, prefixes []string, h HParams) (*romeEdit, error) {
	rows, err := rowsOf(m, f, prefixes, h.Chat)
	if err != nil {
		return nil, err
	}
	e := &romeEdit{fact: f, rows: rows, Rank: &Rank{}}
	e.Layer = layer
	if rows.opens && h.Denominator != Original {
		e.first, err = firstKeys(ctx, m, layer)
	}
	return e, err
}

// aim finds k* and u, with the keys and values that obj, if not nil, has met.
func (e *romeEdit) aim(ctx context.Context, m lm.Model, c covariance.Solver, h HParams, obj lm.Objective) (err error) {
	ok := false
	if k, is := obj.(lm.Keyed); is {
		e.keys, e.values, ok = k.Keys()
	}
	if !ok {
		if e.keys, e.values, err = m.Keys(ctx, e.Layer, e.rows.keys()); err != nil {
			return err
		}
	}
	n := len(e.rows.spans) // the row after them is the KL term's
	e.keys, e.values = e.keys[:n], e.values[:n]
	for i := range e.keys {
		if !vec.Finite(e.keys[i]) || !vec.Finite(e.values[i]) {
			return fault.Errorf(edit.ErrRefused, "layer %d has values that are not finite for this prompt", e.Layer)
		}
	}
	e.MeanKey = vec.Mean(e.keys)
	e.left, err = e.leftOf(ctx, c, h)
	return err
}

// conclude makes the update of the value, or, where err says that the bare
// prompt did not follow, of another that is optimised without it.
func (e *romeEdit) conclude(ctx context.Context, m lm.Model, c covariance.Solver, h HParams, step func(int, edit.StepLoss), err error) (*Rank, error) {
	if errors.Is(err, errSink) {
		if e.left, err = prefixedOnly(ctx, c, e.keys, e.Rank); err != nil {
			return nil, err
		}
		e.Warnings = append(e.Warnings, fmt.Sprintf("%q opens the prompt, and what the layer puts out there does not reach the answer: "+
			"the edit is made for prompts with text before the subject and may not show without", e.fact.Subject))
		t := e.task(h, step)
		var obj lm.Objective
		if obj, err = m.Objective(ctx, e.Layer, t.rows, t.batches); err != nil {
			return nil, err
		}
		e.Value, err = optimise(ctx, obj, t, h)
	}
	if err != nil {
		return nil, err
	}
	e.finish(e.left, e.keys[0], e.values[0])
	if e.rows.straddles {
		e.Warnings = append(e.Warnings, fmt.Sprintf("the last token of %q holds text after it as well; the edit is made there", e.fact.Subject))
	}
	return e.Rank, nil
}

// finish makes the update delta leftᵀ. As in the reference, Left is u of unit
// length and Right is delta over the denominator, which is below 0 where the
// bare key of the original form points away from u.
func (r *Rank) finish(left []float64, bareKey, bareValue []float32) {
	size := math.Copysign(vec.Norm(left), vec.Dot(left, r.MeanKey))
	r.Left = vec.Narrow(left, 1/size)
	r.Right = vec.Narrow(vec.Widen(r.Value.Delta), size)
	last := r.Value.Losses[len(r.Value.Losses)-1]
	p := &r.Report
	p.KeyNorm = vec.Norm(r.MeanKey)
	p.Denominator = 1 / size
	p.DeltaNorm = vec.Norm(r.Left) * vec.Norm(r.Right)
	p.ValueNorm = vec.Norm(r.Value.Delta)
	p.OutputNorm = vec.Norm(bareValue)
	p.BareShare = vec.Dot(left, bareKey)
	p.Steps = len(r.Value.Losses)
	p.Loss, p.NLL = last.Total, last.NLL
	p.AtClamp = r.Value.AtClamp
}

// task is the optimisation of the edit's value, without the bare prompt for a
// sink.
func (e *romeEdit) task(h HParams, step func(int, edit.StepLoss)) *valueTask {
	rows := e.rows
	t := &valueTask{rows: rows.objective(h, e.Sink), step: step}
	if len(e.values) > 0 {
		t.init = e.values[0]
	}
	t.batches = Batches(t.rows, h.StepRows)
	if rows.opens && rows.spans[0].Subject == 0 && len(rows.spans) > 1 && !e.Sink && h.Denominator != Original {
		t.watch = &sinkWatch{klRows: len(t.rows) - len(rows.spans)}
	}
	return t
}

// optimise finds the value of a task, and closes its objective.
func optimise(ctx context.Context, obj lm.Objective, t *valueTask, h HParams) (Value, error) {
	defer obj.Close()
	values, errs, err := optimiseValues(ctx, obj, []*valueTask{t}, h)
	if err != nil {
		return Value{}, err
	}
	return values[0], errs[0]
}

// errSink reports that the bare prompt does not follow the value.
var errSink = errors.New("the bare prompt does not follow the value")

// sinkWatch gives up a value when the bare prompt, row 0, does not follow it
// while the other rows do: the residual stream of a first token can be so large
// (an attention sink) that nothing added to it counts. Where the subject's last
// token is a later one the bare prompt follows, if slower than the others.
type sinkWatch struct {
	klRows, steps int     // rows without a target, at the end
	bare, rest    float64 // NLL at the start
}

const (
	sinkSteps = 6   // the first evaluation that it judges
	sinkBare  = 0.6 // share of its NLL that the bare prompt keeps
	sinkRest  = 0.3 // share that the others are below
)

// gaveUp judges a step.
func (w *sinkWatch) gaveUp(loss lm.Loss) bool {
	n := len(loss.NLL) - w.klRows
	if n < 2 {
		return false
	}
	rest := vec.Sum(loss.NLL[1:n]) / float64(n-1)
	if w.steps++; w.steps == 1 {
		w.bare, w.rest = loss.NLL[0], rest
	}
	return w.steps >= sinkSteps && loss.NLL[0] > sinkBare*w.bare && rest < sinkRest*w.rest
}
