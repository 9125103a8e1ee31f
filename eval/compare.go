package eval

import (
	"context"

	"retcon/fact"
)

// Comparison scores a model as it is on the records of a task, beside a base.
type Comparison struct {
	*Runner
	Model Model // open, with its adapters
	Facts Facts // of it, without them
	LoRA  []Source
	// Warnings are what speaks against the model and its adapters; results have
	// them.
	Warnings []string
	Machine  Machine
	// Base, if not nil, is what the model is compared with, open too. BaseFacts
	// are its.
	Base      Model
	BaseFacts Facts
	Seed      uint64 // of generated texts
	// Label is the name of the work for Progress.
	Label string
}

// Run scores the records, under one run.
func (c *Comparison) Run(ctx context.Context) error {
	set := c.Task.Settings
	set.Seed, set.Model, set.LoRA = c.Seed, c.Facts, c.LoRA
	base := c.Model
	if c.Base != nil {
		base, set.Base = c.Base, &c.BaseFacts
	}
	text, err := c.onText(ctx, base)
	if err != nil {
		return err
	}
	defer text.Close()
	scorer := func(m Model) *Scorer {
		return &Scorer{Model: m, Stages: c.Task.Stages, Seed: c.Seed, Snippets: c.Task.Snippets, Text: text, Constant: true}
	}
	s := &Compare{Scorer: scorer(c.Model)}
	if c.Base != nil {
		s.Base = scorer(c.Base)
	}
	run := NewRun(set, c.Machine)
	run.Warnings = c.Warnings
	return c.Score(ctx, run, c.Label, s)
}

// Compare scores records on a model as it is, beside a base.
type Compare struct {
	Scorer *Scorer // of the model
	Base   *Scorer // nil: no base, and no KL
}

// Record scores one record, with errors as Bench.Record has them.
func (c *Compare) Record(ctx context.Context, rec *fact.Record) (Entry, error) {
	e := NewEntry(rec)
	err := c.record(ctx, rec, &e)
	return e.done(ctx, err)
}

func (c *Compare) record(ctx context.Context, rec *fact.Record, e *Entry) error {
	score := func(s *Scorer, base bool) (*Result, error) {
		job, err := s.Job(rec)
		if err != nil {
			return nil, err
		}
		r, err := job.Score(ctx, base)
		return &r, err
	}
	first := c.Scorer
	if c.Base != nil {
		first = c.Base
	}
	rec, err := first.settle(ctx, rec, e)
	if err != nil {
		return err
	}
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
