package edit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// CheckAdapters compares adapters with the model that they are to be put on, by
// what both files say, before either is loaded. warnings are those of adapters
// that were made for another file, and of edits that would count twice; an
// adapter of another architecture is an error. The model's tensors are hashed
// where less does not tell; progress, if not nil, is told of the bytes.
func CheckAdapters(ctx context.Context, model string, adapters []string, progress func(done, total int64)) (warnings []string, err error) {
	file, err := gguf.OpenAs(model, gguf.RoleModel)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c := &adapterCheck{model: file, name: filepath.Base(model), progress: progress, sums: map[[sha256.Size]byte]string{}, facts: map[string]string{}}
	for _, path := range adapters {
		if err := c.adapter(ctx, path); err != nil {
			return nil, err
		}
	}
	return c.warnings, nil
}

// adapterCheck is what adapters of one model are compared with.
type adapterCheck struct {
	model    *gguf.File
	name     string
	progress func(done, total int64)
	payload  string // SHA-256 of the model's tensors, once asked for
	sums     map[[sha256.Size]byte]string
	facts    map[string]string // the digest of a request, and the adapter that has it
	warnings []string
}

func (c *adapterCheck) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// adapter checks one adapter.
func (c *adapterCheck) adapter(ctx context.Context, path string) error {
	f, err := gguf.OpenAs(path, gguf.RoleAdapter)
	if err != nil {
		return err
	}
	defer f.Close()
	name := filepath.Base(path)
	its, _ := f.String("general.architecture")
	if arch, _ := c.model.String("general.architecture"); its != "" && its != arch {
		return fault.Errorf(lm.ErrUnsupported, "%s is an adapter for a model of architecture %s, and %s is %s", name, its, c.name, arch)
	}
	sum, err := sumOf(path)
	if err != nil {
		return err
	}
	first, again := c.sums[sum]
	if again {
		c.twice(first, name)
	} else if c.sums[sum] = name; c.shared(f, name) {
		return nil
	}
	n, err := History(f)
	if err != nil || n == 0 || again {
		return err // it does not say what it was made for
	}
	return c.base(ctx, f, name, n-1)
}

func (c *adapterCheck) twice(first, name string) {
	if first == name {
		c.warn("%s is given twice: what it changes is added twice", name)
	} else {
		c.warn("%s and %s are the same adapter: what it changes is added twice", first, name)
	}
}

// shared warns of a fact that the model, or an adapter before, has been edited
// with, too; it reports the model.
func (c *adapterCheck) shared(f *gguf.File, name string) (model bool) {
	own, err := recorded(f)
	if err != nil {
		return false // said where the facts are wanted
	}
	there, _ := recorded(c.model)
	for _, r := range own {
		d := r.Digest()
		if slices.ContainsFunc(there, func(o fact.Request) bool { return o.Digest() == d }) {
			c.warn("%s was edited with what %s holds (%q of %q): beside it the edit counts twice", c.name, name, r.TargetNew, r.Subject)
			return true
		}
		if other, ok := c.facts[d]; ok {
			c.warn("%s and %s hold the same edit (%q of %q): together it counts twice", other, name, r.TargetNew, r.Subject)
			return false
		}
		c.facts[d] = name
	}
	return false
}

// base compares the file that edit n was made for with the model: by its
// fingerprint, which is cheap, and where that differs by all of its data.
func (c *adapterCheck) base(ctx context.Context, f *gguf.File, name string, n int) error {
	key := Prefix(n) + keyBase
	want, err := f.String(key)
	if err != nil {
		return nil
	}
	if print, err := f.String(Prefix(n) + keyBasePrint); err == nil {
		if own, err := gguf.Fingerprint(c.model); err != nil || own == print {
			return err
		}
	}
	if c.payload == "" {
		sums, err := gguf.HashTensors(ctx, c.model, c.progress)
		if err != nil {
			return err
		}
		c.payload = sums.Payload.String()
	}
	if c.payload == want {
		return nil
	}
	edits, err := History(c.model)
	if err != nil {
		return err
	}
	before, _ := c.model.String(key)
	why := "another quantisation, another model, or one that was edited"
	switch {
	case before == want:
		why = c.name + " was made from that file by an edit"
	case edits != n:
		why = fmt.Sprintf("that one had been edited %s, and this one %s", times(n), times(edits))
	}
	c.warn("%s was made for another file than %s (%s is %.12s.., and its tensors have %.12s..): %s", name, c.name, key, want, c.payload, why)
	return nil
}

func times(n int) string {
	switch n {
	case 0:
		return "not at all"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// sumOf is the digest of all of a file.
func sumOf(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [sha256.Size]byte(h.Sum(nil)), err
}
