package edit

import (
	"context"
	"time"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
)

// Remove takes facts that the method of cfg put into a file out again, those that
// which names, and writes the rest to cfg.Output. Once a file holds no such edit
// any more, its tensors are those of the base again, but for ones that had to
// change their type.
func Remove(ctx context.Context, cfg Config, which string) (*Result, error) {
	m, ok := cfg.Method.(Removing)
	switch {
	case !ok:
		return nil, fault.Errorf(fact.ErrRequest, "this method cannot take out what it put in")
	case cfg.Output == "":
		return nil, fault.Errorf(fact.ErrRequest, "there is no output to write to")
	}
	s := newSession(&cfg)
	defer s.close()
	start := time.Now()
	if err := s.openFile(ctx); err != nil {
		return nil, err
	}
	r, err := m.Remove(s.base, which)
	if err != nil {
		return nil, err
	}
	if err := s.writeRemoval(ctx, r); err != nil {
		return nil, err
	}
	s.res.Edits, s.res.Layer, s.res.Details, s.res.Lines = r.Edits, r.Layer, r.Details, r.Lines
	s.res.WriteSeconds = time.Since(start).Seconds()
	s.res.Output = cfg.Output
	return s.finish(), nil
}

// writeRemoval writes the file without the edits, and has it loaded.
func (s *session) writeRemoval(ctx context.Context, r *Removal) error {
	out, err := gguf.Rewrite(s.base.File, r.Write)
	if err != nil {
		return err
	}
	f, err := s.create(ctx, s.cfg.Output, out)
	if err != nil {
		return err
	}
	defer f.Abort()
	m, err := s.load(ctx, f.TempPath())
	if err != nil {
		return err
	}
	if err := m.Close(); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return fault.Errorf(ErrOutput, "%w", err)
	}
	return nil
}
