package edit

import (
	"context"
	"time"

	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/lm"
)

// ComputeAll is Compute of several facts, each on the unedited model with the
// edits that were kept, whose values are optimised at once: a step takes rows of
// all of them. Facts fail one by one, in errs. Seconds are shared out evenly.
func (e *Editor) ComputeAll(ctx context.Context, rs []fact.Request, step func(done, most int)) (computed []*Computed, errs []error) {
	computed, errs = make([]*Computed, len(rs)), make([]error, len(rs))
	if e.s.patches != nil || len(rs) == 1 {
		for i, r := range rs {
			computed[i], errs[i] = e.Compute(ctx, r, step)
		}
		return computed, errs
	}
	s := e.s
	fail := func(err error) ([]*Computed, []error) {
		for i := range errs {
			if errs[i] == nil {
				errs[i] = err
			}
		}
		return computed, errs
	}
	if err := s.model.Apply(e.kept); err != nil {
		return fail(err)
	}
	start := time.Now()
	facts := make([]fact.Fact, len(rs))
	for i, r := range rs {
		facts[i], errs[i] = r.Resolve()
	}
	done := 0
	g := &romeGroup{
		m: s.model, layer: e.layer, prefixes: s.prefixes, c: s.solvers[e.layer], h: s.cfg.HParams,
		edits: make([]*romeEdit, len(rs)), ranks: make([]*Rank, len(rs)), errs: errs,
		step: func(int, StepLoss) {
			if done++; step != nil {
				step(done/len(rs), s.cfg.HParams.Steps)
			}
		},
	}
	if err := g.compute(ctx, facts); err != nil {
		return fail(err)
	}
	seconds := time.Since(start).Seconds() / float64(len(rs))
	for i, rank := range g.ranks {
		if errs[i] == nil {
			computed[i], errs[i] = e.judged(rank, seconds)
		}
	}
	return computed, errs
}

// romeGroup is rome of several facts.
type romeGroup struct {
	m        lm.Model
	layer    int
	prefixes []string
	c        covariance.Solver
	h        HParams
	step     func(int, StepLoss)

	edits []*romeEdit
	ranks []*Rank
	errs  []error // of each fact; one that has an error is left out

	tasks []*valueTask // to be optimised at once
	at    []int        // the fact of each
}

// compute computes the updates, of as many facts at once as an objective can
// hold.
func (g *romeGroup) compute(ctx context.Context, facts []fact.Fact) error {
	rows := 0
	for i, f := range facts {
		if g.errs[i] != nil {
			continue
		}
		if g.edits[i], g.errs[i] = newRomeEdit(ctx, g.m, f, g.layer, g.prefixes, g.h); g.errs[i] == nil {
			g.errs[i] = g.edits[i].aim(ctx, g.m, g.c, g.h, nil)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if g.errs[i] != nil {
			continue
		}
		t := g.edits[i].task(g.h, g.step)
		if most := g.m.Info().Sequences; most > 0 && rows+len(t.rows) > most {
			if err := g.flush(ctx); err != nil {
				return err
			}
			rows = 0
		}
		g.tasks, g.at, rows = append(g.tasks, t), append(g.at, i), rows+len(t.rows)
	}
	return g.flush(ctx)
}

// flush optimises the values that wait for it: at once, or one by one where
// their rows do not go together.
func (g *romeGroup) flush(ctx context.Context) error {
	tasks, at := g.tasks, g.at
	g.tasks, g.at = nil, nil
	if len(tasks) == 0 {
		return nil
	}
	if rows, batches, ok := joint(tasks); ok {
		return g.optimise(ctx, rows, batches, tasks, at)
	}
	for k, t := range tasks {
		if err := g.optimise(ctx, t.rows, t.batches, []*valueTask{t}, at[k:k+1]); err != nil {
			return err
		}
	}
	return nil
}

func (g *romeGroup) optimise(ctx context.Context, rows []lm.ObjectiveRow, batches []lm.Batch, tasks []*valueTask, at []int) error {
	obj, err := g.m.Objective(ctx, g.layer, rows, batches)
	if err != nil {
		return err
	}
	values, errs, err := optimiseValues(ctx, obj, tasks, g.h)
	obj.Close()
	if err != nil {
		return err
	}
	for k, i := range at {
		g.edits[i].Value = values[k]
		g.ranks[i], g.errs[i] = g.edits[i].conclude(ctx, g.m, g.c, g.h, g.step, errs[k])
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
