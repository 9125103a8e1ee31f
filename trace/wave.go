package trace

import (
	"context"
	"slices"

	"retcon/llama"
	"retcon/replay"
)

// cell is a run of a group: a token that is restored, in a sample.
type cell struct {
	token  int
	sample int // of the base's samples
}

// wave takes the experiments of a group of runs through the layers together: a
// layer's weights are used by all of them before the next layer's.
type wave struct {
	base     *base
	pin      *base // what severed runs are held to; base itself as a rule
	runs     *replay.Runs
	cells    []cell
	exps     []*experiment
	copies   *replay.Copies
	resident bool // copies of all layers are kept
	answers  []int32
	step     func(n int) // told of every layer of an experiment
}

// newWave lays out the runs of a group beside its base.
func newWave(ctx context.Context, c *llama.Context, b *base, cells []cell) (*wave, error) {
	var runs []replay.Run
	for _, x := range cells {
		runs = append(runs, replay.Run{First: x.token, Rows: b.rows(x.sample + 1)})
	}
	w := &wave{base: b, pin: b, cells: cells}
	var err error
	w.runs, err = replay.NewRuns(ctx, c, b.prompt.Tokens, runs, b.runs.Rows())
	return w, err
}

// run computes base and experiments, layer by layer. choose is called with the
// base behind its last layer and gives the tokens to read.
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
		for _, m := range []replay.Module{replay.NoModule, replay.FFN, replay.Attention} {
			if err := w.layer(ctx, m); err != nil {
				return err
			}
		}
		if !w.base.last() {
			w.begin()
		}
	}
	return nil
}

// layer computes the layer in hand of the experiments that overwrite module m
// in it.
func (w *wave) layer(ctx context.Context, m replay.Module) error {
	at := w.base.layer
	var due []*experiment
	for _, e := range w.exps {
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
	l, err := w.runs.Layer(ctx, spec)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Share(w.base.shares); err != nil {
		return err
	}
	for _, e := range due {
		if err := w.advance(ctx, l, m, e); err != nil {
			return err
		}
		w.step(1)
	}
	return nil
}

// advance takes an experiment through the layer in hand.
func (w *wave) advance(ctx context.Context, l *replay.Layer, m replay.Module, e *experiment) error {
	if e.stream == nil {
		e.stream = gather(w.base.before, w.runs.Source(), w.base.width)
	}
	if err := l.Run(ctx, e.stream, w.given(l, m, e)); err != nil {
		return err
	}
	var err error
	if !w.base.last() {
		e.stream, err = l.Stream()
		return err
	}
	e.stream = nil
	return w.read(l, e)
}

// given is what overwrites a module's outputs at the restored tokens.
func (w *wave) given(l *replay.Layer, m replay.Module, e *experiment) []float32 {
	var out []float32
	for _, run := range l.Overwritten() {
		x := w.cells[run]
		if e.clean {
			out = append(out, w.base.outputOf(m, 0, x.token)...)
		} else {
			out = append(out, w.pin.outputOf(m, x.sample+1, x.token)...)
		}
	}
	return out
}

// read adds up the answers' probability and logit difference.
func (w *wave) read(l *replay.Layer, e *experiment) error {
	logits, probs, err := l.Answers()
	if err != nil {
		return err
	}
	n := len(w.answers)
	for run, x := range w.cells {
		prob, diff := e.into(x.token)
		*prob += float64(probs[run*n])
		if diff != nil {
			*diff += float64(logits[run*n] - logits[run*n+1])
		}
	}
	return nil
}

// begin starts the experiments that restore the state behind the layer in hand,
// or branch from another one there.
func (w *wave) begin() {
	for _, e := range w.exps {
		if e.start != w.base.layer+1 || !e.restored && e.trunk == nil {
			continue
		}
		if e.trunk != nil {
			e.stream = slices.Clone(e.trunk.stream)
		} else {
			e.stream = gather(w.base.stream, w.runs.Source(), w.base.width)
		}
		if e.restored {
			w.restore(e.stream)
		}
	}
}

// restore puts the clean state behind the layer in hand into a stream.
func (w *wave) restore(stream []float32) {
	for run, x := range w.cells {
		copy(stream[w.runs.Start(run)*w.base.width:], w.base.streamOf(0, x.token))
	}
}

// gather picks rows of values by index.
func gather(values []float32, rows []int32, width int) []float32 {
	out := make([]float32, 0, len(rows)*width)
	for _, r := range rows {
		out = append(out, values[int(r)*width:][:width]...)
	}
	return out
}
