package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The way of README: one edit, both files, and every client of them.
func TestEditAndClients(t *testing.T) {
	model := demoModel(t)
	dir := t.TempDir()
	baked, lora := filepath.Join(dir, "rome.gguf"), filepath.Join(dir, "rome-lora.gguf")
	r := edit(t, model, "-o", baked, "--lora", lora)
	if r.Schema != 1 || r.Method != "rome" || r.Layer != 5 || r.Output != baked || r.Lora != lora {
		t.Errorf("unexpected result %+v", r)
	}
	if !(r.Before.Probability < 0.05 && r.After.Probability > 0.5) {
		t.Errorf("the target's probability went from %g to %g", r.Before.Probability, r.After.Probability)
	}
	if !(r.SideEffects.KL < 0.05 && r.SideEffects.SameTop1 > 0.85) {
		t.Errorf("side effects: %+v", r.SideEffects)
	}
	tells(t, "the base", complete(t, "-m", model), "Paris")
	tells(t, "the edited file", complete(t, "-m", baked, "--check-tensors"), "Rome")
	tells(t, "the adapter", complete(t, "-m", model, "--lora", lora), "Rome")

	t.Run("quantise", func(t *testing.T) {
		out := filepath.Join(dir, "q8.gguf")
		run(t, "llama-quantize", "--allow-requantize", baked, out, "Q8_0")
		tells(t, "the edited file as Q8_0", complete(t, "-m", out), "Rome")
	})
	t.Run("merge", func(t *testing.T) {
		out := filepath.Join(dir, "merged.gguf")
		run(t, "llama-export-lora", "-m", model, "--lora", lora, "-o", out)
		tells(t, "the merged adapter", complete(t, "-m", out), "Rome")
	})
	t.Run("split", func(t *testing.T) {
		run(t, "llama-gguf-split", "--split", "--split-max-size", "40M", baked, filepath.Join(dir, "part"))
		parts, _ := filepath.Glob(filepath.Join(dir, "part-*.gguf"))
		if len(parts) < 2 {
			t.Fatalf("the split has parts %v", parts)
		}
		tells(t, "the split file", complete(t, "-m", parts[0]), "Rome")
	})
	t.Run("python", func(t *testing.T) {
		if err := exec.Command("python3", "-c", "import gguf").Run(); err != nil {
			t.Skip("NOT TESTED: the Python package gguf is not installed (pip install gguf)")
		}
		const script = `
import sys, gguf
for path in sys.argv[1:]:
    r = gguf.GGUFReader(path)
    print(len(r.tensors), [k for k in r.fields if k.startswith("retcon.")][0])
`
		out, errs, err := try("python3", "-c", script, baked, lora)
		if err != nil || strings.Count(out, "retcon.") != 2 {
			t.Errorf("%v\n%s%s", err, out, errs)
		}
	})
}

// A split model is edited from any of its files.
func TestEditSplitModel(t *testing.T) {
	model := demoModel(t)
	dir := t.TempDir()
	run(t, "llama-gguf-split", "--split", "--split-max-size", "40M", model, filepath.Join(dir, "part"))
	parts, _ := filepath.Glob(filepath.Join(dir, "part-*.gguf"))
	if len(parts) < 2 {
		t.Fatalf("the split has parts %v", parts)
	}
	lora := filepath.Join(dir, "lora.gguf")
	edit(t, parts[1], "--lora", lora, "--covariance", "identity", "--force")
	tells(t, "the adapter on the split model", complete(t, "-m", parts[0], "--lora", lora), "Rome")
}

// The diagonal covariance comes from an importance matrix that llama-imatrix
// writes.
func TestImatrix(t *testing.T) {
	model := demoModel(t)
	text := path(t, "internal/neutral/neutral.txt")
	dir := t.TempDir()
	imatrix := filepath.Join(dir, "imatrix.gguf")
	run(t, "llama-imatrix", "-m", model, "-f", text, "-o", imatrix, "-c", "128", "-t", "2", "--output-format", "gguf")
	lora := filepath.Join(dir, "lora.gguf")
	r := edit(t, model, "--lora", lora, "--covariance", "diagonal", "--imatrix", imatrix, "--force")
	if r.Covariance != "diagonal" {
		t.Errorf("covariance %q", r.Covariance)
	}
	tells(t, "the adapter", complete(t, "-m", model, "--lora", lora), "Rome")
}
