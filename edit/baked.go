package edit

import (
	"context"
	"path/filepath"
	"time"

	"retcon/fact"
	"retcon/internal/atomicfile"
	"retcon/lm"
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
// dir, as Run writes its output: the edited tensor in its own type or, where the
// edit does not survive that, in a larger one. An edit that survives in none is
// in the file of the largest, and among the refusals. The model under edit is
// left unedited.
func (e *Editor) Bake(ctx context.Context, r fact.Request, c *Computed, dir string) (*Baked, error) {
	fact, err := r.Resolve()
	if err != nil {
		return nil, err
	}
	s := e.session(fact, c, dir)
	if err := s.probeBoth(ctx, c); err != nil {
		return nil, err
	}
	sums, err := s.hash(ctx)
	if err != nil {
		return nil, err
	}
	e.s.sums = sums
	start := time.Now()
	f, lost, err := s.bakeModel(ctx, sums)
	if err != nil {
		return nil, err
	}
	b := &Baked{
		Path: f.TempPath(), TypesChanged: s.res.TypesChanged, Written: *s.edits[0].Written,
		Seconds: time.Since(start).Seconds(), file: f,
	}
	b.Refusals = judgeOutcome(fact, s.edits[0].Before, s.edits[0].After)
	if lost != "" {
		b.Refusals = append(b.Refusals, lost)
	}
	return b, nil
}

// session is a Run of one edit that has been computed.
func (e *Editor) session(fact fact.Fact, c *Computed, dir string) *session {
	s, cfg := *e.s, *e.s.cfg
	// the name is never taken: the file is removed under its temporary one
	cfg.Output = filepath.Join(dir, ".retcon-baked.gguf")
	s.cfg, s.res = &cfg, &Result{Layer: e.layer}
	s.updates = []lm.Update{c.Update}
	s.edits = []*Edit{{Prompt: fact.Text, Subject: fact.Subject, Target: fact.New, fact: fact}}
	return &s
}

// probeBoth asks the one fact of a session before and after its edit.
func (s *session) probeBoth(ctx context.Context, c *Computed) (err error) {
	e := s.edits[0]
	if err := s.model.Apply(nil); err != nil {
		return err
	}
	if c.Sink {
		err = s.behindPrefix(ctx, e)
	} else {
		e.probe, e.Before, err = newProbe(ctx, s.model, e.fact, "")
	}
	if err != nil {
		return err
	}
	if err := s.model.Apply(s.updates); err != nil {
		return err
	}
	if e.After, err = e.probe.run(ctx, s.model); err != nil {
		return err
	}
	return s.model.Apply(nil)
}
