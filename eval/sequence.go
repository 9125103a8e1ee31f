package eval

import (
	"context"
	"fmt"

	"retcon/edit"
	"retcon/fact"
)

// Sequence edits records one after the other in one model, and scores them once
// all are edited: how edits survive later ones.
type Sequence struct {
	Scorer *Scorer
	Editor Editor
	// Bases has what the unedited model scored, as in a Bench.
	Bases map[int]*Result
	Step  func(done, most int)

	edits []*edit.Computed // those that were kept, in order
	made  map[int]*Made    // by the index of records
}

// Made is what became of one edit of a sequence.
type Made struct {
	Index    int            `json:"index"`
	Error    string         `json:"error,omitempty"` // why there is none
	Told     bool           `json:"told_at_once"`
	Computed *edit.Computed `json:"edit,omitempty"`
}

// Edit edits one record on top of those before it. What goes wrong with it
// stands in the result; an error is one of the context.
func (s *Sequence) Edit(ctx context.Context, rec *fact.Record) (*Made, error) {
	m := &Made{Index: rec.Index}
	err := s.edit(ctx, rec, m)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		m.Error, m.Computed = err.Error(), nil
	}
	s.add(m)
	return m, nil
}

func (s *Sequence) edit(ctx context.Context, rec *fact.Record, m *Made) error {
	rec, err := s.settle(ctx, rec, nil)
	if err != nil {
		return err
	}
	fact, err := rec.Request.Resolve()
	if err != nil {
		return err
	}
	ask, err := newMatch(s.Scorer.Model, rec, fact)
	if err != nil {
		return err
	}
	if m.Computed, err = s.Editor.Compute(ctx, rec.Request, s.Step); err != nil {
		return err
	}
	edits := append(s.edits[:len(s.edits):len(s.edits)], m.Computed)
	if err := s.Editor.Apply(edits...); err != nil {
		return err
	}
	ask.prompts, ask.others = ask.prompts[:1], nil
	v := Values{}
	if _, err := ask.run(ctx, s.Scorer.Model, v); err != nil {
		return err
	}
	m.Told = v[ExactMatch] == 100
	return nil
}

// settle asks the unedited model, as Scorer's does.
func (s *Sequence) settle(ctx context.Context, rec *fact.Record, e *Entry) (*fact.Record, error) {
	if err := s.Editor.Apply(); err != nil {
		return nil, err
	}
	return s.Scorer.settle(ctx, rec, e)
}

// Restore takes in the next edit of the sequence as it was made before, read from
// JSON.
func (s *Sequence) Restore(m *Made) error {
	if m.Computed != nil {
		if err := s.Editor.Restore(m.Computed); err != nil {
			return err
		}
	}
	s.add(m)
	return nil
}

// add takes in the next edit of the sequence.
func (s *Sequence) add(m *Made) {
	if s.made == nil {
		s.made = map[int]*Made{}
	}
	s.made[m.Index] = m
	if m.Computed != nil {
		s.Editor.Keep(m.Computed)
		s.edits = append(s.edits, m.Computed)
	}
}

// Record scores one record on the model with all edits, with errors as
// Bench.Record has them.
func (s *Sequence) Record(ctx context.Context, rec *fact.Record) (Entry, error) {
	e := NewEntry(rec)
	err := s.record(ctx, rec, &e)
	if restored := s.Editor.Apply(); restored != nil {
		return e, restored
	}
	return e.done(ctx, err)
}

func (s *Sequence) record(ctx context.Context, rec *fact.Record, e *Entry) error {
	m := s.made[rec.Index]
	switch {
	case m == nil:
		return fmt.Errorf("the record was not edited")
	case m.Error != "":
		return fmt.Errorf("%s", m.Error)
	}
	rec, err := s.settle(ctx, rec, e)
	if err != nil {
		return err
	}
	job, err := s.Scorer.Job(rec)
	if err != nil {
		return err
	}
	if e.Base = s.Bases[rec.Index]; e.Base == nil {
		if err := s.Editor.Apply(); err != nil {
			return err
		}
		base, err := job.Score(ctx, true)
		if err != nil {
			return err
		}
		e.Base = &base
		if s.Bases != nil {
			s.Bases[rec.Index] = &base
		}
	}
	if err := e.computed(m.Computed); err != nil {
		return err
	}
	e.Told = &m.Told
	if err := s.Editor.Apply(s.edits...); err != nil {
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
