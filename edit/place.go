package edit

import (
	"errors"
	"io/fs"
	"path/filepath"

	"retcon/edit/corpus"
	"retcon/edit/weight"
	"retcon/internal/atomicfile"
	"retcon/internal/fault"
	"retcon/internal/human"
	"retcon/internal/outputs"
	"retcon/internal/proc"
)

// checkPlan reports, before anything is opened, an output that is an input or
// another output.
func (c *Config) checkPlan() error {
	var p outputs.Plan
	p.Model("the model", c.Model)
	p.Read("the importance matrix", c.Imatrix)
	p.Read("the text of the statistics", c.Corpus)
	p.Write("the edited model", c.Output)
	p.Write("the adapter", c.LoRA)
	p.Write("the journal", c.journalPath())
	if err := p.Check(); err != nil {
		return fault.Errorf(ErrOutput, "%w", err)
	}
	return nil
}

// reserve takes the outputs for this run, before anything is computed, and
// reports why one could not be written in the end: it exists, its directory takes
// no file, or another run is about to write it.
func (s *session) reserve() error {
	for _, out := range []string{s.cfg.Output, s.cfg.LoRA} {
		if out == "" || s.place(out) != nil {
			continue
		}
		p, err := atomicfile.Reserve(out, atomicfile.Options{Force: s.cfg.Force})
		switch {
		case errors.Is(err, atomicfile.ErrExists):
			return fault.Errorf(ErrOutput, "%w; %s replaces it", err, fault.Force)
		case errors.Is(err, fs.ErrNotExist):
			return fault.Errorf(ErrOutput, "there is no directory %s", filepath.Dir(out))
		case err != nil:
			return fault.Errorf(ErrOutput, "%w", err)
		}
		s.places = append(s.places, p)
	}
	return nil
}

// place is an output that was reserved, nil for another path.
func (s *session) place(path string) *atomicfile.Place {
	for _, p := range s.places {
		if p.Path() == path {
			return p
		}
	}
	return nil
}

// checkMaterial reports what statistics cannot be made from, whether the method
// makes any or not.
func (s *session) checkMaterial() error {
	if b := s.base; b.Imatrix != "" {
		if err := weight.CheckImatrix(b.Imatrix, b.File); err != nil {
			return err
		}
	}
	if s.base.Corpus == "" {
		return nil
	}
	return corpus.Check(s.base.Corpus)
}

// checkSpace reports a file system that has no room for size more bytes.
func checkSpace(path string, size int64) error {
	free, ok := proc.FreeBytes(filepath.Dir(path))
	if ok && free < size {
		return fault.Errorf(ErrOutput, "%s takes %s, but %s has %s left", path, human.Bytes(size), filepath.Dir(path), human.Bytes(free))
	}
	return nil
}
