package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"retcon/edit"
	"retcon/engine"
	"retcon/eval"
	"retcon/fact"
)

// benchEdits makes edits in one way and scores them in each that is asked for.
func (a *app) benchEdits(ctx context.Context, s *sweep, r *results, w way) error {
	cfg := edit.Config{Model: s.path, Method: w.method, Material: s.edit.material(), Version: version}
	cfg.KeysPerDim = w.keys
	a.connect(&cfg, s.options, a.log)
	editor, err := edit.NewEditor(ctx, s.model, cfg)
	if err != nil {
		return err
	}
	defer editor.Close()
	var edits map[int]*edit.Computed
	if len(s.as) > 1 {
		edits = map[int]*edit.Computed{} // computed once, scored several times
	}
	for _, as := range s.as {
		if err := a.benchRun(ctx, s, r, w, editor, edits, as); err != nil {
			return err
		}
	}
	return nil
}

// benchRun edits and scores the records in one way.
func (a *app) benchRun(ctx context.Context, s *sweep, r *results, w way, editor *edit.Editor, edits map[int]*edit.Computed, as string) error {
	set := s.task.settings
	made := editor.Settings()
	if err := set.SetEdit(made); err != nil {
		return err
	}
	set.Model, set.As, set.Sequence = s.facts, as, s.sequential
	label := fmt.Sprintf("%s layer %d %s", made.Method, made.Layer, made.Covariance)
	if w.plain {
		label = made.Method
	}
	b := &eval.Bench{
		Scorer: &eval.Scorer{Model: s.model, Stages: s.task.stages, Seed: w.seed, Snippets: s.task.snippets, Text: s.text, Constant: s.sequential},
		Editor: editor, Bases: s.bases, Edits: edits, Batch: s.batch, Records: s.task.records,
	}
	if s.batch > 1 {
		set.Batch = s.batch
		label += fmt.Sprintf(" batch %d", s.batch)
	}
	label += w.label
	if as == eval.AsBaked {
		b.Write = func(ctx context.Context, req fact.Request, c *edit.Computed) (*eval.Written, error) {
			return writeBaked(ctx, editor, req, c, s.dir(), s.options)
		}
		label += " baked"
	}
	if len(s.models) > 1 {
		label = filepath.Base(s.path) + " " + label
	}
	run := eval.NewRun(set, machine(s.model.Info().Threads))
	if s.sequential {
		return a.sequence(ctx, r, s, run, label, &eval.Sequence{Scorer: b.Scorer, Editor: editor, Bases: s.bases})
	}
	return a.score(ctx, r, s.task, run, label, b)
}

// writeBaked writes the edited model to a temporary file and loads it.
func writeBaked(ctx context.Context, e *edit.Editor, req fact.Request, c *edit.Computed, dir string, o engine.Options) (*eval.Written, error) {
	b, err := e.Bake(ctx, req, c, dir)
	if err != nil {
		return nil, err
	}
	m, err := engine.Open(ctx, b.Path, o)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &eval.Written{
		Model: m, Seconds: b.Seconds, TypesChanged: b.TypesChanged, Refusals: b.Refusals,
		Close: func() error { return errors.Join(m.Close(), b.Close()) },
	}, nil
}

// dir is where files that are scored are written: beside the results, or with
// the system's temporary files.
func (s *sweep) dir() string {
	if out := s.benchFlags.score.output; out != "" {
		return filepath.Dir(out)
	}
	return os.TempDir()
}
