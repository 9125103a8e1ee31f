package edit

import (
	"context"

	"retcon/fact"
	"retcon/internal/fault"
	"retcon/lm"
)

// Editor computes edits in memory, each on the unedited model with what was kept
// before: for scoring many of them one after the other.
type Editor struct{ s *session }

// NewEditor readies edits by cfg's method on a model that is open already, and
// stays open: it makes the method's statistics. Requests and outputs of cfg are
// not used, Open only by [Editor.Bake]; Model is the model's own path where it is
// empty.
func NewEditor(ctx context.Context, m lm.Model, cfg Config) (*Editor, error) {
	if cfg.Method == nil {
		return nil, fault.Errorf(fact.ErrRequest, "there is no method to edit with")
	}
	if cfg.Model == "" {
		cfg.Model = m.Info().Path
	}
	cfg.Output, cfg.LoRA, cfg.Requests, cfg.Ask = "", "", nil, nil
	e := &Editor{s: newSession(&cfg)}
	err := e.s.open(ctx, m)
	if err == nil {
		err = e.s.work.Ready(ctx, nil)
	}
	if err != nil {
		e.s.close()
		return nil, err
	}
	return e, nil
}

// Compute computes the edit of a fact on the unedited model with the edits that
// were kept: [Editor.Apply] it to see it work. step, if not nil, is told of each
// step of the optimisation.
func (e *Editor) Compute(ctx context.Context, r fact.Request, step func(done, most int)) (*Computed, error) {
	f, err := e.fact(ctx, r)
	if err != nil {
		return nil, err
	}
	return e.s.work.Compute(ctx, f, step)
}

// fact is a request made ready, on the model as it is applied.
func (e *Editor) fact(ctx context.Context, r fact.Request) (fact.Fact, error) {
	if err := r.Settle(ctx, e.s.base.Model); err != nil {
		return fact.Fact{}, err
	}
	return r.Resolve()
}

// ComputeAll is Compute of several facts, each on the unedited model with the
// edits that were kept: at once, where the method can. Facts fail one by one, in
// errs. Seconds are shared out evenly.
func (e *Editor) ComputeAll(ctx context.Context, rs []fact.Request, step func(done, most int)) (computed []*Computed, errs []error) {
	computed, errs = make([]*Computed, len(rs)), make([]error, len(rs))
	joint, ok := e.s.work.(Joint)
	if !ok || len(rs) == 1 {
		for i, r := range rs {
			computed[i], errs[i] = e.Compute(ctx, r, step)
		}
		return computed, errs
	}
	var facts []fact.Fact
	var at []int
	for i, r := range rs {
		f, err := e.fact(ctx, r)
		if errs[i] = err; err == nil {
			facts, at = append(facts, f), append(at, i)
		}
	}
	made, failed := joint.ComputeAll(ctx, facts, step)
	for k, i := range at {
		computed[i], errs[i] = made[k], failed[k]
	}
	return computed, errs
}

// Keep lets later edits be computed on top of this one, as a sequence of edits
// is.
func (e *Editor) Keep(c *Computed) { e.s.work.Keep(c) }

// Restore readies an edit that was read from JSON.
func (e *Editor) Restore(c *Computed) error { return e.s.work.Restore(c) }

// Apply makes the model compute as edited by these edits, and by no others. None
// restores it.
func (e *Editor) Apply(edits ...*Computed) error { return e.s.work.Apply(edits...) }

// Model is the model under edit.
func (e *Editor) Model() lm.Model { return e.s.base.Model }

// Settings are all that decides an edit besides the model and the fact.
func (e *Editor) Settings() Settings { return e.s.work.Settings() }

// Warnings are those of making ready.
func (e *Editor) Warnings() []string { return e.s.base.Voice.Warnings() }

// Close frees what the method made. The model stays open.
func (e *Editor) Close() error {
	e.s.close()
	return nil
}
