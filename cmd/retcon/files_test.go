package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"retcon/internal/outputs"
)

// Every flag that names a file is among the files of its command, so that no
// output is an input unseen.
func TestFilesDeclared(t *testing.T) {
	a := testApp()
	common := a.commonFlags()
	edit, trace, bench, eval := &editFlags{}, &traceFlags{}, &benchFlags{}, &evalFlags{}
	for name, c := range map[string]struct {
		flags *pflag.FlagSet
		files files
	}{
		"edit":  {a.editCommand(common, edit).Flags(), edit},
		"trace": {a.traceCommand(common, trace).Flags(), trace},
		"bench": {a.benchCommand(common, bench).Flags(), bench},
		"eval":  {a.evalCommand(common, eval).Flags(), eval},
	} {
		n := 0
		c.flags.VisitAll(func(f *pflag.Flag) {
			if kind, _ := pflag.UnquoteUsage(f); !strings.HasPrefix(kind, "FILE") {
				return
			}
			n++
			path := "file-of-" + f.Name
			if err := c.flags.Set(f.Name, path); err != nil {
				t.Fatal(err)
			}
			var p outputs.Plan
			c.files.files(&p)
			p.Write("another output", path)
			if err := p.Check(); !errors.Is(err, outputs.ErrInput) && !errors.Is(err, outputs.ErrShared) {
				t.Errorf("%s --%s: %v", name, f.Name, err)
			}
		})
		if n < 5 {
			t.Errorf("%s has %d flags that name files", name, n)
		}
	}
}

// What stands in a stream is read once, however often it is asked for.
func TestHyperparametersOnce(t *testing.T) {
	a := testApp()
	a.root()
	a.inputs.Stdin = strings.NewReader("Once.\nTwice.\n")
	f := &benchFlags{}
	cmd := a.benchCommand(a.commonFlags(), f)
	if err := cmd.Flags().Set("prefixes", "-"); err != nil {
		t.Fatal(err)
	}
	f.edit.in = a.inputs
	for range 2 {
		if h, _, err := f.edit.hyperparameters(cmd.Flags()); err != nil || len(h.Prefixes) != 2 {
			t.Errorf("%q, %v", h.Prefixes, err)
		}
	}
}
