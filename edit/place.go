package edit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"retcon/internal/atomicfile"
	"retcon/internal/fault"
	"retcon/internal/proc"
)

// checkOutputs reports, before anything is computed, why an output could not be
// written in the end: it exists, it is an input, by name or by link, two
// outputs are one, or its directory takes no file.
func checkOutputs(cfg *Config, inputs []string) error {
	for _, out := range []string{cfg.Output, cfg.LoRA} {
		if out == "" {
			continue
		}
		f, err := atomicfile.Create(out, atomicfile.Options{Force: cfg.Force, Inputs: inputs})
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
	if cfg.Output != "" && cfg.LoRA != "" && samePath(cfg.Output, cfg.LoRA) {
		return fault.Errorf(ErrOutput, "%s is to be both the model and the adapter", cfg.Output)
	}
	return nil
}

// samePath reports whether two paths name one file, whether it exists or not.
func samePath(a, b string) bool {
	if x, err := os.Stat(a); err == nil {
		if y, err := os.Stat(b); err == nil && os.SameFile(x, y) {
			return true
		}
	}
	return filepath.Base(a) == filepath.Base(b) && realDir(a) == realDir(b)
}

func realDir(path string) string {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return filepath.Dir(path)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// checkSpace reports a file system that has no room for size more bytes.
func checkSpace(path string, size int64) error {
	free, ok := proc.FreeBytes(filepath.Dir(path))
	if ok && free < size {
		return fault.Errorf(ErrOutput, "%s takes %d MB, but %s has %d MB left", path, size>>20+1, filepath.Dir(path), free>>20)
	}
	return nil
}
