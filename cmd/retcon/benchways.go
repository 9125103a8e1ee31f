package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/engine"
	"retcon/eval"
	"retcon/fact"
	"retcon/lm"
)

// way is one way to make edits.
type way struct {
	method string
	keys   float64 // a dimension; 0 is the default
	h      edit.HParams
}

// ways are all combinations. Keys make no difference where none are used.
func (s *sweep) ways(layers []int, h edit.HParams) []way {
	var out []way
	patched := false
	for _, layer := range layers {
		for _, kind := range s.covariances {
			keys := s.keys
			if kind == string(covariance.KindIdentity) {
				keys = []float64{covariance.EnoughKeys}
			}
			for _, k := range keys {
				for _, method := range s.methods {
					for _, chat := range s.chats {
						w := way{method: method, h: h}
						w.keys, _ = keysPerDim(k)
						w.h.Layers, w.h.Auto, w.h.Covariance = []int{layer}, false, covariance.Kind(kind)
						if s.chatAsked {
							w.h.Chat = chatKind(chat)
						}
						if method == edit.MethodTPatcher && patched {
							continue // it has one layer and no covariance
						}
						patched = patched || method == edit.MethodTPatcher
						out = append(out, w)
					}
				}
			}
		}
	}
	return out
}

// needsKeys: the covariance of the layer's keys over a text is taken.
func (s *sweep) needsKeys(w way) bool {
	given := w.h.Covariance == covariance.KindDiagonal && s.edit.imatrix != ""
	return w.method == edit.MethodROME && w.h.Covariance != covariance.KindIdentity && !given
}

// benchEdits makes edits in one way and scores them in each that is asked for.
func (a *app) benchEdits(ctx context.Context, s *sweep, r *results, w way) error {
	f := &s.edit
	cfg := edit.Config{
		Model: s.path, Method: w.method, Patch: s.patch, HParams: w.h, Corpus: f.corpus, KeysPerDim: w.keys, Imatrix: f.imatrix,
		StatsTime: f.statsTime, CacheDir: f.cacheDir, Version: version,
	}
	a.connect(&cfg, s.options, a.log)
	open := cfg.Open
	cfg.Open = func(ctx context.Context, path string, adapters ...string) (lm.Model, error) {
		if path == s.path {
			return shared{s.model}, nil
		}
		return open(ctx, path, adapters...)
	}
	editor, err := edit.NewEditor(ctx, cfg)
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
	stats, params := editor.Stats(), editor.HParams()
	set.Model, set.Method, set.As, set.Layer, set.Covariance = s.facts, w.method, as, editor.Layer(), string(stats.Kind)
	set.Keys, set.Stats, set.HParams, set.Seed = w.keys, &stats, &params, w.h.Seed
	set.Patch, set.Sequence = editor.Patch(), s.sequential
	label := fmt.Sprintf("%s layer %d %s", w.method, editor.Layer(), stats.Kind)
	if set.Patch != nil {
		set.HParams, set.Stats, set.Keys, label = nil, nil, 0, w.method
	} else {
		set.Tensor = editor.TensorType().String()
	}
	b := &eval.Bench{
		Scorer: &eval.Scorer{Model: s.model, Stages: s.task.stages, Seed: w.h.Seed, Snippets: s.task.snippets, Text: s.text, Constant: s.sequential},
		Editor: editor, Bases: s.bases, Edits: edits, Batch: s.batch, Records: s.task.records,
	}
	if s.batch > 1 {
		set.Batch = s.batch
		label += fmt.Sprintf(" batch %d", s.batch)
	}
	if w.h.Chat != "" {
		label += " chat " + w.h.Chat
	}
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
