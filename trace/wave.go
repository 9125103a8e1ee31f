package trace

import (
	"context"

	"retcon/llama"
	"retcon/replay"
)

// wave takes the experiments of some lanes through the layers together: a
// layer's weights are used by all of them before the next layer's.
type wave struct {
	base     *base
	pin      *base // what severed runs are held to; base itself as a rule
	lanes    []*lane
	copies   *replay.Copies
	resident bool // copies of all layers are kept
	answers  []int32
	step     func(n int) // told of every layer of an experiment
}

// lane is runs beside each other, and the experiments that are done on them.
type lane struct {
	runs  *replay.Runs
	cells []cell
	exps  []*experiment
}

// cell is a run of a lane: a token that is restored, in a sample.
type cell struct {
	token  int
	sample int // of the base's samples
}

// add lays out runs beside the base.
func (w *wave) add(ctx context.Context, c *llama.Context, cells []cell, exps []*experiment) error {
	b := w.base
	var runs []replay.Run
	for _, x := range cells {
		runs = append(runs, replay.Run{First: x.token, Rows: b.rows(x.sample + 1)})
	}
	r, err := replay.NewRuns(ctx, c, b.prompt.Tokens, runs, b.runs.Rows())
	w.lanes = append(w.lanes, &lane{r, cells, exps})
	return err
}

// run computes base and experiments, layer by layer. choose is called with the
// base after its last layer and gives the tokens to read.
func (w *wave) run(ctx context.Context, choose func(b *base) []int32) error {
	for w.base.layer < w.base.layers-1 {
		if !w.resident {
			w.copies.Drop()
		}
		if err := w.base.step(ctx, w.copies); err != nil {
			return err
		}
		if w.pin != w.base {
			if err := w.pin.step(ctx, w.copies); err != nil {
				return err
			}
		}
		if w.base.last() {
			w.answers = choose(w.base)
		}
		for _, l := range w.lanes {
			if err := w.advance(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// advance takes a lane through the layer in hand.
func (w *wave) advance(ctx context.Context, l *lane) error {
	for _, m := range []replay.Module{replay.NoModule, replay.FFN, replay.Attention} {
		if err := w.layer(ctx, l, m); err != nil {
			return err
		}
	}
	if !w.base.last() {
		l.begin(w.base)
	}
	return nil
}

// layer computes the layer in hand of the experiments that overwrite module m
// in it.
func (w *wave) layer(ctx context.Context, lane *lane, m replay.Module) error {
	at := w.base.layer
	var due []*experiment
	for _, e := range lane.exps {
		if e.start <= at && e.overwrite(at) == m {
			due = append(due, e)
		}
	}
	if len(due) == 0 {
		return nil
	}
	spec := replay.LayerSpec{Layer: at, Overwrite: m, Copies: w.copies}
	if w.base.last() {
		spec.Answers = w.answers
	}
	l, err := lane.runs.Layer(ctx, spec)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Share(w.base.shares); err != nil {
		return err
	}
	for _, e := range due {
		if e.stream == nil {
			e.stream = lane.runs.Gather(w.base.before, w.base.width)
		}
		if err := l.Run(ctx, e.stream, w.given(lane, l, m, e)); err != nil {
			return err
		}
		if err := w.take(lane, l, e); err != nil {
			return err
		}
		w.step(1)
	}
	return nil
}

// take keeps the stream after the layer, or reads the answers after the last.
func (w *wave) take(lane *lane, l *replay.Layer, e *experiment) error {
	if !w.base.last() {
		return l.StreamTo(e.stream)
	}
	e.stream = nil
	logits, probs, err := l.Answers()
	if err != nil {
		return err
	}
	n := len(w.answers)
	for run, x := range lane.cells {
		prob, diff := e.into(x.token)
		*prob += float64(probs[run*n])
		if diff != nil {
			*diff += float64(logits[run*n] - logits[run*n+1])
		}
	}
	return nil
}

// given is what overwrites a module's outputs at the restored tokens.
func (w *wave) given(lane *lane, l *replay.Layer, m replay.Module, e *experiment) []float32 {
	var out []float32
	for _, run := range l.Overwritten() {
		x := lane.cells[run]
		if e.clean {
			out = append(out, w.base.outputOf(m, 0, x.token)...)
		} else {
			out = append(out, w.pin.outputOf(m, x.sample+1, x.token)...)
		}
	}
	return out
}
