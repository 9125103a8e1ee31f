package rome

import (
	"context"
	"io"
	"time"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/edit/covariance"
	"retcon/edit/weight"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// Name is the method's name.
const Name = "rome"

// Method is ROME, an edit.Method. The zero value has the default
// hyper-parameters.
type Method struct {
	HParams
	// Locate, if not nil, chooses the layer, in place of Layers and Auto.
	Locate edit.Locator
}

// Name is [Name].
func (Method) Name() string { return Name }

// Open checks the hyper-parameters against the model.
func (m Method) Open(ctx context.Context, b *edit.Base) (edit.Work, error) {
	h := m.HParams.orDefaults()
	if err := h.check(b.Info); err != nil {
		return nil, err
	}
	if h.Chat != "" {
		if _, err := contexts.Conversations(b.Model, h.Chat); err != nil {
			return nil, err
		}
	}
	w := &work{base: b, h: h, locate: m.Locate, store: b.Store(h.Seed), weights: map[int]*layerWeight{}, solvers: map[int]layerSolver{}}
	return w, w.checkImatrix(ctx, w.candidates()...)
}

// work is ROME on one model.
type work struct {
	base   *edit.Base
	h      HParams
	locate edit.Locator
	store  *covariance.Store

	weights  map[int]*layerWeight
	solvers  map[int]layerSolver
	prefixes []string

	layer   int
	from    string // where the layer is from; empty: it is not chosen yet
	tried   []edit.LayerTrial
	located *edit.Located
	ready   bool
	seconds float64 // that the covariances took

	kept []*edit.Computed
}

// layerWeight is a down-projection and its Frobenius norm.
type layerWeight struct {
	*weight.Weight
	norm float64
}

// layerSolver is the covariance of a layer's keys and what it was made from.
type layerSolver struct {
	covariance.Solver
	covariance.Stats
}

// Ready samples the prefixes, chooses the layer, and makes its covariance.
func (w *work) Ready(ctx context.Context, facts []fact.Fact) (err error) {
	if w.prefixes = w.h.Prefixes; len(w.prefixes) == 0 {
		if w.prefixes, err = contexts.SamplePrefixes(ctx, w.base.Model, w.h.PrefixLengths, w.h.Seed); err != nil {
			return err
		}
	}
	if w.layer, w.from, err = w.choose(ctx, facts); err != nil {
		return err
	}
	if err := w.checkImatrix(ctx, w.layer); err != nil {
		return err
	}
	if _, err := w.weight(ctx, w.layer); err != nil {
		return err
	}
	_, err = w.solver(ctx, w.layer)
	w.ready = err == nil
	return err
}

// weight is the down-projection of a layer, checked for what is to be written.
func (w *work) weight(ctx context.Context, layer int) (*layerWeight, error) {
	if have, ok := w.weights[layer]; ok {
		return have, nil
	}
	b := w.base
	t, err := weight.Of(b.File, b.Quantizer, layer, b.Info)
	if err != nil {
		return nil, err
	}
	if _, scaled := b.File.Tensor(weight.ScaleName(layer)); scaled && b.Adapter {
		return nil, fault.Errorf(lm.ErrUnsupported, "an adapter for %s, which is %v with a scale beside it: llama.cpp cannot load one; try %s",
			t.Info.Name, t.Info.Type, fault.WriteModel)
	}
	n, err := t.Norm(ctx)
	if err == nil && !(n > 0) {
		err = fault.Errorf(lm.ErrUnsupported, "%s has norm %v", t.Info.Name, n)
	}
	if err != nil {
		return nil, err
	}
	w.weights[layer] = &layerWeight{t, n}
	return w.weights[layer], nil
}

// solver is the covariance of a layer, made once.
func (w *work) solver(ctx context.Context, layer int) (covariance.Solver, error) {
	if c, ok := w.solvers[layer]; ok {
		return c.Solver, nil
	}
	start := time.Now()
	c, made, err := w.store.Solver(ctx, w.h.Covariance, layer)
	w.seconds += time.Since(start).Seconds()
	if err != nil {
		return nil, err
	}
	w.solvers[layer] = layerSolver{c, made}
	return c, nil
}

// Compute computes the update of a fact.
func (w *work) Compute(ctx context.Context, f fact.Fact, step func(done, most int)) (*edit.Computed, error) {
	if err := w.Apply(w.kept...); err != nil {
		return nil, err
	}
	start := time.Now()
	r, err := compute(ctx, w.base.Model, f, w.layer, w.prefixes, w.solvers[w.layer].Solver, w.h, func(i int, _ edit.StepLoss) {
		if step != nil {
			step(i+1, w.h.Steps)
		}
	})
	if err != nil {
		return nil, err
	}
	return w.computed(r, time.Since(start).Seconds())
}

// ComputeAll computes the updates of several facts, whose values are optimised at
// once: a step takes rows of all of them.
func (w *work) ComputeAll(ctx context.Context, facts []fact.Fact, step func(done, most int)) (out []*edit.Computed, errs []error) {
	out, errs = make([]*edit.Computed, len(facts)), make([]error, len(facts))
	fail := func(err error) ([]*edit.Computed, []error) {
		for i := range errs {
			if errs[i] == nil {
				errs[i] = err
			}
		}
		return out, errs
	}
	if err := w.Apply(w.kept...); err != nil {
		return fail(err)
	}
	start := time.Now()
	done := 0
	g := &group{
		m: w.base.Model, layer: w.layer, prefixes: w.prefixes, c: w.solvers[w.layer].Solver, h: w.h,
		edits: make([]*romeEdit, len(facts)), ranks: make([]*Rank, len(facts)), errs: errs,
		step: func(int, edit.StepLoss) {
			if done++; step != nil {
				step(done/len(facts), w.h.Steps)
			}
		},
	}
	if err := g.compute(ctx, facts); err != nil {
		return fail(err)
	}
	seconds := time.Since(start).Seconds() / float64(max(1, len(facts)))
	for i, r := range g.ranks {
		if errs[i] == nil {
			out[i], errs[i] = w.computed(r, seconds)
		}
	}
	return out, errs
}

// computed is the edit that an update is, judged.
func (w *work) computed(r *Rank, seconds float64) (*edit.Computed, error) {
	if !vec.Finite(r.Left) || !vec.Finite(r.Right) {
		return nil, fault.Advise(fault.Errorf(edit.ErrRefused, "the update is not finite"), fault.OtherLayer, fault.Diagonal)
	}
	r.Report.WeightNorm = w.weights[w.layer].norm
	warnings, refusals := r.judge()
	c := &edit.Computed{Change: r, Report: r.Report, Losses: r.Value.Losses, Seconds: seconds, Warnings: append(r.Warnings, warnings...), Refusals: refusals}
	if r.Sink {
		c.Prefix = w.prefixes[0]
	}
	return c, nil
}

// Keep counts an edit among those that later ones are computed on top of.
func (w *work) Keep(c *edit.Computed) { w.kept = append(w.kept, c) }

// Forget lets go of the edits that were kept.
func (w *work) Forget() { w.kept = nil }

// Converses reports whether facts are edited in conversations, too.
func (w *work) Converses() bool { return w.h.Chat != "" }

// Apply sets the updates of these edits on the model.
func (w *work) Apply(edits ...*edit.Computed) error { return w.base.Model.Apply(updates(edits)) }

// updates are those of edits, nil of none. One that changes nothing, of a fact
// that was told already, is left out where there are others.
func updates(edits []*edit.Computed) []lm.Update {
	var out []lm.Update
	for _, c := range edits {
		if u := c.Change.(*Rank).Update; vec.Norm(vec.Widen(u.Right)) > 0 {
			out = append(out, u)
		}
	}
	if len(out) == 0 && len(edits) > 0 {
		out = append(out, edits[0].Change.(*Rank).Update)
	}
	return out
}

// Restore makes the update of an edit that was read from JSON.
func (w *work) Restore(c *edit.Computed) error {
	r := &Rank{Report: c.Report, Warnings: c.Warnings, Sink: c.Prefix != ""}
	if err := c.Decode(r); err != nil {
		return err
	}
	c.Change = r
	return nil
}

// Close closes the covariances.
func (w *work) Close() error {
	for _, c := range w.solvers {
		if c, ok := c.Solver.(io.Closer); ok {
			c.Close()
		}
	}
	return nil
}
