package edit

import (
	"context"
	"fmt"
	"math"
	"slices"

	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/fault"
	"retcon/lm"
)

// write writes the adapter and the model, checks each on what llama.cpp makes
// of it, and gives them their names once both are good. The model under edit is
// closed first, so that two are never in memory.
func (s *session) write(ctx context.Context) error {
	var drafts []Draft
	var guards []guard
	var err error
	if s.cfg.Output != "" {
		if drafts, err = s.work.Drafts(ctx, s.computed()); err != nil {
			return err
		}
		if guards, err = s.askEarlier(ctx); err != nil {
			return err
		}
	}
	if err := s.closeModel(); err != nil {
		return err
	}
	if _, err := s.hash(ctx); err != nil {
		return err
	}
	var files []*atomicfile.File
	defer func() {
		for _, f := range files {
			f.Abort()
		}
	}()
	if s.cfg.LoRA != "" {
		f, err := s.writeAdapter(ctx)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	if s.cfg.Output != "" {
		f, err := s.writeModel(ctx, drafts, guards)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.Commit(); err != nil {
			return fault.Errorf(ErrOutput, "%w", err)
		}
	}
	s.res.Output, s.res.LoRA = s.cfg.Output, s.cfg.LoRA
	return nil
}

// create writes out to a temporary file beside path.
func (s *session) create(ctx context.Context, path string, out *gguf.Output) (*atomicfile.File, error) {
	if err := checkSpace(path, out.Size()); err != nil {
		return nil, err
	}
	start := func() (*atomicfile.File, error) {
		return atomicfile.Create(path, atomicfile.Options{Force: s.cfg.Force})
	}
	if p := s.place(path); p != nil {
		start = p.Create
	}
	f, err := start()
	if err != nil {
		return nil, fault.Errorf(ErrOutput, "%w", err)
	}
	out.Progress = func(done, total int64) { s.progress("writing", done, total) }
	if err := out.Write(ctx, f); err != nil {
		f.Abort()
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fault.Errorf(ErrOutput, "%s: %w", path, err)
	}
	return f, nil
}

// load opens what was written.
func (s *session) load(ctx context.Context, path string, adapters ...string) (lm.Model, error) {
	m, err := s.cfg.Open(ctx, path, adapters...)
	if err != nil {
		return nil, fmt.Errorf("loading what was written: %w", err)
	}
	return m, nil
}

// outcomes asks the facts of a model.
func (s *session) outcomes(ctx context.Context, m lm.Model) ([]Outcome, error) {
	out := make([]Outcome, len(s.edits))
	var err error
	for i, e := range s.edits {
		if out[i], err = e.probe.run(ctx, m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Tolerance of the adapter's log-probability against the prediction: the same
// products in another order, some of them over 8-bit activations.
const (
	nearAbsolute = 0.05 // nats
	nearRelative = 0.02
)

func near(got, want float64) bool {
	return math.Abs(got-want) <= nearAbsolute+nearRelative*math.Abs(want)
}

// writeAdapter writes the adapter and checks that it does what was predicted.
func (s *session) writeAdapter(ctx context.Context) (*atomicfile.File, error) {
	keys, err := s.provenance(nil, nil)
	if err != nil {
		return nil, err
	}
	out, err := s.work.(Adapting).Adapter(s.computed(), keys) // open has refused another method
	if err != nil {
		return nil, err
	}
	f, err := s.create(ctx, s.cfg.LoRA, out)
	if err != nil {
		return nil, err
	}
	if err := s.checkAdapter(ctx, f.TempPath()); err != nil {
		f.Abort()
		return nil, err
	}
	return f, nil
}

func (s *session) checkAdapter(ctx context.Context, path string) error {
	m, err := s.load(ctx, s.cfg.Model, path)
	if err != nil {
		return err
	}
	defer m.Close()
	got, err := s.outcomes(ctx, m)
	if err != nil {
		return err
	}
	for i, e := range s.edits {
		if !near(got[i].LogProb, e.After.LogProb) {
			return fault.Errorf(ErrVerify, "%swith the adapter the target has probability %.3g, %.3g was predicted", s.about(e), got[i].Probability, e.After.Probability)
		}
	}
	return nil
}

// guard is a fact of an earlier edit that the file still tells.
type guard struct {
	name  string
	probe *probe
}

// askEarlier finds the earlier facts that the file tells, for a method that
// answers for them; those that this run replaces are not among them.
func (s *session) askEarlier(ctx context.Context) ([]guard, error) {
	g, ok := s.work.(Guarding)
	if !ok {
		return nil, nil
	}
	if err := s.work.Apply(); err != nil {
		return nil, err
	}
	var out []guard
	for _, r := range g.Earlier() {
		f, err := r.Resolve()
		if err != nil {
			continue // of an older form of requests
		}
		if slices.ContainsFunc(s.edits, func(e *Edit) bool { return e.fact.Replaces(f) }) {
			continue
		}
		p, o, err := newProbe(ctx, s.base.Model, f, "")
		if err != nil {
			return nil, err
		}
		if f.Told(o.Completion) {
			out = append(out, guard{f.Name(), p})
		}
	}
	return out, nil
}
