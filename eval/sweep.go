package eval

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"retcon/edit"
	"retcon/fact"
)

// Sweep edits and scores the records of a task on one model, in one way after
// the other: a run for each.
type Sweep struct {
	*Runner
	Model   Model // open, and unedited
	Facts   Facts // of it
	Machine Machine
	Ways    []Way
	// Name, if not empty, begins the names of all work for Progress.
	Name string
	// As are the ways to score each edit: AsAdapter, AsBaked. AsAdapter if
	// empty.
	As []string
	// Sequential edits all records one after the other before it scores them.
	Sequential bool
	// Batch is how many edits are computed at once, if above 1.
	Batch int
	// Open opens a baked file.
	Open func(ctx context.Context, path string) (Model, error)
}

// Way readies an editor of the sweep's model for one way to edit. The seed of its
// settings is that of generated texts too.
type Way func(ctx context.Context) (Editor, error)

// Run goes over the ways. The unedited model is scored once for all.
func (s *Sweep) Run(ctx context.Context) error {
	text, err := s.onText(ctx, s.Model)
	if err != nil {
		return err
	}
	defer text.Close()
	bases := map[int]*Result{}
	for _, w := range s.Ways {
		if err := s.way(ctx, w, text, bases); err != nil {
			return err
		}
	}
	return nil
}

// way makes edits in one way and scores them in each that is asked for.
func (s *Sweep) way(ctx context.Context, w Way, text *Text, bases map[int]*Result) error {
	editor, err := w(ctx)
	if err != nil {
		return err
	}
	defer editor.Close()
	set, err := s.settings(editor)
	if err != nil {
		return err
	}
	b := &Bench{
		Scorer: &Scorer{Model: s.Model, Stages: s.Task.Stages, Seed: set.Seed, Snippets: s.Task.Snippets, Text: text, Constant: s.Sequential},
		Editor: editor, Bases: bases, Batch: s.Batch, Records: s.Task.Records,
	}
	as := s.As
	if len(as) == 0 {
		as = []string{AsAdapter}
	}
	if len(as) > 1 {
		b.Edits = map[int]*edit.Computed{} // computed once, scored several times
	}
	for _, set.As = range as {
		if b.Write = nil; set.As == AsBaked {
			b.Write = s.bake(editor)
		}
		run, label := NewRun(set, s.Machine), s.label(set)
		if s.Sequential {
			err = s.Sequence(ctx, run, label, &Sequence{Scorer: b.Scorer, Editor: editor, Bases: bases})
		} else {
			err = s.Score(ctx, run, label, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settings are those of a run, but for the way in which edits are scored.
func (s *Sweep) settings(e Editor) (Settings, error) {
	set := s.Task.Settings
	err := set.SetEdit(e.Settings())
	set.Model, set.Sequence = s.Facts, s.Sequential
	if s.Batch > 1 {
		set.Batch = s.Batch
	}
	return set, err
}

// label is "rome layer 5 full", with what is not the default.
func (s *Sweep) label(set Settings) string {
	label := set.Method
	if set.Covariance != "" {
		label += fmt.Sprintf(" layer %d %s", set.Layer, set.Covariance)
	}
	if set.Batch > 1 {
		label += fmt.Sprintf(" batch %d", set.Batch)
	}
	if chat := set.chat(); chat != "" {
		label += " chat " + chat
	}
	if set.As == AsBaked {
		label += " baked"
	}
	if s.Name != "" {
		label = s.Name + " " + label
	}
	return label
}

// bake writes edited models to temporary files and loads them.
func (s *Sweep) bake(e Editor) func(context.Context, fact.Request, *edit.Computed) (*Written, error) {
	return func(ctx context.Context, r fact.Request, c *edit.Computed) (*Written, error) {
		b, err := e.Bake(ctx, r, c, s.dir())
		if err != nil {
			return nil, err
		}
		m, err := s.Open(ctx, b.Path)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		return &Written{
			Model: m, Seconds: b.Seconds, TypesChanged: b.TypesChanged, Refusals: b.Refusals,
			Close: func() error { return errors.Join(m.Close(), b.Close()) },
		}, nil
	}
}

// dir is where files that are scored are written: beside the results, or with
// the system's temporary files.
func (s *Sweep) dir() string {
	if path := s.Results.Path(); path != "" {
		return filepath.Dir(path)
	}
	return os.TempDir()
}
