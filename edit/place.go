package edit

import (
	"errors"
	"io/fs"
	"path/filepath"

	"retcon/edit/corpus"
	"retcon/edit/weight"
	"retcon/internal/atomicfile"
	"retcon/internal/fault"
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

// checkOutputs reports, before anything is computed, why an output could not be
// written in the end: it exists, or its directory takes no file.
func (c *Config) checkOutputs() error {
	for _, out := range []string{c.Output, c.LoRA} {
		if out == "" {
			continue
		}
		f, err := atomicfile.Create(out, atomicfile.Options{Force: c.Force})
		switch {
		case errors.Is(err, atomicfile.ErrExists):
			return fault.Errorf(ErrOutput, "%w; %s replaces it", err, fault.Force)
		case errors.Is(err, fs.ErrNotExist):
			return fault.Errorf(ErrOutput, "there is no directory %s", filepath.Dir(out))
		case err != nil:
			return fault.Errorf(ErrOutput, "%w", err)
		}
		if err := f.Abort(); err != nil {
			return fault.Errorf(ErrOutput, "%w", err)
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
		return fault.Errorf(ErrOutput, "%s takes %d MB, but %s has %d MB left", path, size>>20+1, filepath.Dir(path), free>>20)
	}
	return nil
}
