package eval

import (
	"context"
	"errors"
	"slices"

	"retcon/edit"
	"retcon/fact"
)

// Bench edits, scores and restores, record by record.
type Bench struct {
	Scorer *Scorer
	Editor Editor
	// Bases has what the unedited model scored, by the index of records. It
	// may be shared by runs that edit one model in several ways.
	Bases map[int]*Result
	// Edits has what Editor computed, by the index of records. It may be
	// shared by runs that score the same edits in several ways.
	Edits map[int]*edit.Computed
	// Batch is how many edits are computed at once, if above 1: those of so many
	// of Records, in order.
	Batch   int
	Records []fact.Record
	// Write, if not nil, writes the edited model, and what was written is
	// scored: else the edit is an adapter in memory.
	Write func(ctx context.Context, r fact.Request, c *edit.Computed) (*Written, error)
	// Step, if not nil, is told of each step of an edit's optimisation.
	Step func(done, most int)

	ahead map[int]outcome // of the batch in hand, by the index of records
}

type outcome struct {
	c   *edit.Computed
	err error
}

// Written is an edited model that was written to a file and loaded again.
type Written struct {
	Model        Model
	Seconds      float64 // for writing and checking
	TypesChanged []edit.TypeChange
	Refusals     []string
	Close        func() error // closes the model and removes the file
}

// Record scores one record. What goes wrong with it stands in the entry; an
// error is one of the context, or of a model that could not be restored.
func (b *Bench) Record(ctx context.Context, rec *fact.Record) (Entry, error) {
	e := NewEntry(rec)
	err := b.record(ctx, rec, &e)
	if restored := b.Editor.Apply(); restored != nil {
		return e, restored
	}
	return e.done(ctx, err)
}

func (b *Bench) record(ctx context.Context, rec *fact.Record, e *Entry) error {
	rec, err := b.Scorer.settle(ctx, rec, e)
	if err != nil {
		return err
	}
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
	c, err := b.compute(ctx, rec)
	if err != nil {
		return err
	}
	if err := e.computed(c); err != nil {
		return err
	}
	if b.Write != nil {
		return b.written(ctx, rec, job, c, e)
	}
	if err := b.Editor.Apply(c); err != nil {
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

// compute is the edit of a record, computed once.
func (b *Bench) compute(ctx context.Context, rec *fact.Record) (*edit.Computed, error) {
	if c := b.Edits[rec.Index]; c != nil {
		return c, nil
	}
	var c *edit.Computed
	var err error
	if b.Batch > 1 {
		c, err = b.computeBatch(ctx, rec)
	} else {
		c, err = b.Editor.Compute(ctx, rec.Request, b.Step)
	}
	if err == nil && b.Edits != nil {
		b.Edits[rec.Index] = c
	}
	return c, err
}

// computeBatch computes the edits of all records of rec's batch, whether they
// are scored already or not: who is beside whom must not depend on it.
func (b *Bench) computeBatch(ctx context.Context, rec *fact.Record) (*edit.Computed, error) {
	if o, ok := b.ahead[rec.Index]; ok {
		return o.c, o.err
	}
	i := slices.IndexFunc(b.Records, func(r fact.Record) bool { return r.Index == rec.Index })
	if i < 0 {
		return b.Editor.Compute(ctx, rec.Request, b.Step)
	}
	begin := i / b.Batch * b.Batch
	batch := b.Records[begin:min(begin+b.Batch, len(b.Records))]
	var requests []fact.Request
	for _, r := range batch {
		requests = append(requests, r.Request)
	}
	computed, errs := b.Editor.ComputeAll(ctx, requests, b.Step)
	b.ahead = map[int]outcome{}
	for k, r := range batch {
		b.ahead[r.Index] = outcome{computed[k], errs[k]}
	}
	o := b.ahead[rec.Index]
	return o.c, o.err
}

// written scores the edit in a file of its own.
func (b *Bench) written(ctx context.Context, rec *fact.Record, job *Job, c *edit.Computed, e *Entry) (err error) {
	w, err := b.Write(ctx, rec.Request, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	e.WriteSeconds, e.TypesChanged = w.Seconds, w.TypesChanged
	e.Refusals = append(slices.Clip(e.Refusals), w.Refusals...)
	edited, err := job.On(w.Model).Score(ctx, false)
	if err != nil {
		return err
	}
	edited.compareTop1(e.Base)
	e.Edited = &edited
	return nil
}
