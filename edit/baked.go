package edit

import (
	"context"
	"path/filepath"
	"time"

	"retcon/fact"
	"retcon/internal/atomicfile"
)

// Baked is a model file that an Editor wrote, for scoring. Close removes it.
type Baked struct {
	Path         string // until Close
	TypesChanged []TypeChange
	Written      Outcome // what the file says
	Seconds      float64 // for writing and checking, the unedited file's digests apart
	// Refusals are the reasons for which Run would not have written it.
	Refusals []string

	file *atomicfile.File
}

// Close removes the file.
func (b *Baked) Close() error { return b.file.Abort() }

// Bake writes the model with an edit that Compute made to a temporary file in
// dir, as Run writes its output: the edited tensors in their own types or, where
// the edit does not survive that, in larger ones. An edit that survives in none is
// in the file of the largest, and among the refusals. The model under edit is
// left unedited.
func (e *Editor) Bake(ctx context.Context, r fact.Request, c *Computed, dir string) (*Baked, error) {
	f, err := e.fact(ctx, r)
	if err != nil {
		return nil, err
	}
	s := e.session(f, dir)
	if err := s.probeBoth(ctx, c); err != nil {
		return nil, err
	}
	drafts, err := s.work.Drafts(ctx, s.computed())
	if err != nil {
		return nil, err
	}
	if e.s.sums, err = s.hash(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	file, lost, err := s.bake(ctx, drafts, nil)
	if err != nil {
		return nil, err
	}
	one := s.edits[0]
	b := &Baked{
		Path: file.TempPath(), TypesChanged: s.res.TypesChanged, Written: *one.Written,
		Seconds: time.Since(start).Seconds(), file: file,
	}
	b.Refusals = judgeOutcome(f, one.Before, one.After)
	if lost != "" {
		b.Refusals = append(b.Refusals, lost)
	}
	return b, nil
}

// session is a Run of one fact on the editor's model.
func (e *Editor) session(f fact.Fact, dir string) *session {
	s, cfg := *e.s, *e.s.cfg
	// the name is never taken: the file is removed under its temporary one
	cfg.Output = filepath.Join(dir, ".retcon-baked.gguf")
	s.cfg, s.res = &cfg, &Result{Method: cfg.Method.Name()}
	s.edits = []*Edit{{Prompt: f.Text, Subject: f.Subject, Target: f.New, fact: f}}
	return &s
}

// probeBoth asks the one fact of a session before and after its edit.
func (s *session) probeBoth(ctx context.Context, c *Computed) (err error) {
	e := s.edits[0]
	e.take(c)
	if err := s.work.Apply(); err != nil {
		return err
	}
	if e.probe, e.Before, err = newProbe(ctx, s.base.Model, e.fact, c.Prefix); err != nil {
		return err
	}
	if err := s.work.Apply(c); err != nil {
		return err
	}
	if e.After, err = e.probe.run(ctx, s.base.Model); err != nil {
		return err
	}
	return s.work.Apply()
}
