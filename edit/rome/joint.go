package rome

import (
	"context"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/lm"
)

// group is rome of several facts.
type group struct {
	m        lm.Model
	layer    int
	prefixes []string
	c        covariance.Solver
	h        HParams
	step     func(int, edit.StepLoss)

	edits []*romeEdit
	ranks []*Rank
	errs  []error // of each fact; one that has an error is left out

	tasks []*valueTask // to be optimised at once
	at    []int        // the fact of each
}

// compute computes the updates, of as many facts at once as an objective can
// hold.
func (g *group) compute(ctx context.Context, facts []fact.Fact) error {
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
func (g *group) flush(ctx context.Context) error {
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

func (g *group) optimise(ctx context.Context, rows []lm.ObjectiveRow, batches []lm.Batch, tasks []*valueTask, at []int) error {
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
