package eval

import (
	"context"

	"retcon/edit"
)

// Editor computes the edit of a fact; edit.Editor does.
type Editor interface {
	Compute(ctx context.Context, r edit.Request, step func(done, most int)) (*edit.Computed, error)
}

// Bench edits, scores and restores, record by record.
type Bench struct {
	Scorer *Scorer
	Editor Editor
	// Bases has what the unedited model scored, by the index of records. It
	// may be shared by runs that edit one model in several ways.
	Bases map[int]*Result
	// Step, if not nil, is told of each step of an edit's optimisation.
	Step func(done, most int)
}

// Record scores one record. What goes wrong with it stands in the entry; an
// error is one of the context, or of a model that could not be restored.
func (b *Bench) Record(ctx context.Context, rec *Record) (Entry, error) {
	e := NewEntry(rec)
	err := b.record(ctx, rec, &e)
	if restored := edit.Apply(b.Scorer.Model); restored != nil {
		return e, restored
	}
	if ctx.Err() != nil {
		return e, context.Cause(ctx)
	}
	if err != nil {
		e.Error, e.Edited = err.Error(), nil
	}
	e.PeakRSS = edit.PeakRSS()
	return e, nil
}

func (b *Bench) record(ctx context.Context, rec *Record, e *Entry) error {
	job, err := b.Scorer.Job(rec)
	if err != nil {
		return err
	}
	if e.Base = b.Bases[rec.Index]; e.Base == nil {
		base, err := job.Score(ctx, true)
		if err != nil {
			return err
		}
		e.Base = &base
		if b.Bases != nil {
			b.Bases[rec.Index] = &base
		}
	}
	c, err := b.Editor.Compute(ctx, rec.Request, b.Step)
	if err != nil {
		return err
	}
	e.computed(c)
	if err := edit.Apply(b.Scorer.Model, c); err != nil {
		return err
	}
	edited, err := job.Score(ctx, false)
	if err != nil {
		return err
	}
	edited.compareTop1(e.Base)
	e.Edited = &edited
	return nil
}

// Compare scores records on a model as it is, beside a base.
type Compare struct {
	Scorer *Scorer // of the model
	Base   *Scorer // nil: no base, and no KL
}

// Record scores one record, with errors as Bench.Record has them.
func (c *Compare) Record(ctx context.Context, rec *Record) (Entry, error) {
	e := NewEntry(rec)
	err := c.record(ctx, rec, &e)
	if ctx.Err() != nil {
		return e, context.Cause(ctx)
	}
	if err != nil {
		e.Error, e.Edited = err.Error(), nil
	}
	e.PeakRSS = edit.PeakRSS()
	return e, nil
}

func (c *Compare) record(ctx context.Context, rec *Record, e *Entry) error {
	score := func(s *Scorer, base bool) (*Result, error) {
		job, err := s.Job(rec)
		if err != nil {
			return nil, err
		}
		r, err := job.Score(ctx, base)
		return &r, err
	}
	var err error
	if c.Base != nil {
		if e.Base, err = score(c.Base, true); err != nil {
			return err
		}
	}
	if e.Edited, err = score(c.Scorer, c.Base == nil); err == nil {
		e.Edited.compareTop1(e.Base)
	}
	return err
}
