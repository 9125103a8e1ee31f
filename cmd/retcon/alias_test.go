package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testApp is an app whose output goes nowhere.
func testApp() *app {
	return &app{stdin: strings.NewReader(""), stdout: &output{w: io.Discard}, stderr: io.Discard}
}

func TestLongNames(t *testing.T) {
	takes := valueFlags(testApp().root())
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"edit -ngl 99 -m x", "edit --n-gpu-layers 99 -m x"},
		{"edit -ngl=99", "edit --n-gpu-layers=99"},
		{"edit -p -ngl", "edit -p -ngl"},
		{"edit --prompt -ngl -ngl 1", "edit --prompt -ngl --n-gpu-layers 1"},
		{"edit --prompt=x -ngl 1", "edit --prompt=x --n-gpu-layers 1"},
		{"edit -px -ngl 1", "edit -px --n-gpu-layers 1"},
		{"edit -vp -ngl", "edit -vp -ngl"},
		{"edit --json -ngl 1", "edit --json --n-gpu-layers 1"},
		{"edit --cache_dir -ts", "edit --cache_dir -ts"},
		{"edit --gpu-layers -ts", "edit --gpu-layers -ts"},
		{"edit -- -ngl 1", "edit -- -ngl 1"},
		{"edit -nglx 1", "edit -nglx 1"},
	} {
		got := strings.Join(longNames(strings.Fields(test.in), takes), " ")
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
}

func FuzzLongNames(f *testing.F) {
	takes := valueFlags(testApp().root())
	f.Add("edit\x00-ngl\x0099\x00-p\x00-ts\x00--\x00-fa")
	f.Add("-\x00--\x00")
	f.Add("edit\x00--seed=\x00-s\x00-ü")
	f.Fuzz(func(t *testing.T, joined string) {
		args := strings.Split(joined, "\x00")
		given := slices.Clone(args)
		got := longNames(args, takes)
		if !slices.Equal(args, given) {
			t.Fatal("the arguments were changed in place")
		}
		if len(got) != len(args) {
			t.Fatalf("%d arguments became %d", len(args), len(got))
		}
		end := slices.Index(got, "--")
		for i := range args {
			name, value, assigned := strings.Cut(args[i], "=")
			long, known := shortFor, name == shortName
			if assigned {
				long += "=" + value
			}
			if got[i] != args[i] && (!known || got[i] != long) {
				t.Fatalf("%q became %q", args[i], got[i])
			}
			if got[i] != args[i] && end >= 0 && i > end && !takes(got[end-1]) {
				t.Fatalf("%q was rewritten after --", args[i])
			}
		}
		if again := longNames(got, takes); !slices.Equal(again, got) {
			t.Fatalf("not stable: %s", cmp.Diff(got, again))
		}
		// Whatever it is, it parses or fails; it does not panic.
		root := testApp().root()
		if cmd, rest, err := root.Find(got); err == nil {
			cmd.ParseFlags(rest)
		}
	})
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"n_gpu_layers": "n-gpu-layers", "gpu-layers": "n-gpu-layers", "gpu_layers": "n-gpu-layers", "output-file": "output", "kl_factor": "kl-factor", "model": "model",
	} {
		if got := canonical(nil, in); string(got) != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
