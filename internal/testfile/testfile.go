// Package testfile finds the files that tests read and that are not in the
// repository: the demo model, llama.cpp's programs, data sets. A test whose file
// is absent skips, in one line that begins with NOT TESTED.
package testfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"retcon/internal/built"
)

// Demo is the demo model, SmolLM2-135M-Instruct in Q4_1.
func Demo(t testing.TB) string {
	t.Helper()
	return have(t, filepath.Join(built.Root(), "third_party", "models", "SmolLM2-135M-Instruct.Q4_1.gguf"), "the demo model is absent (make model)")
}

// DemoF32 is the demo model with its weights as the floats that they stand for,
// which reference values are of. It is made once, by llama-quantize.
func DemoF32(t testing.TB) string {
	t.Helper()
	demo := Demo(t)
	out := built.Tool("SmolLM2-135M-Instruct.F32.gguf")
	if _, err := os.Stat(out); err == nil {
		return out
	}
	quantize := have(t, built.Tool("bin/llama-quantize"), "llama-quantize is absent (make tools)")
	tmp, err := os.MkdirTemp(filepath.Dir(out), "f32-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "model.gguf")
	if msg, err := exec.Command(quantize, "--allow-requantize", demo, made, "F32").CombinedOutput(); err != nil {
		t.Fatalf("llama-quantize: %v\n%s", err, msg)
	}
	if err := os.Rename(made, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// DataSet is a file of the folder that RETCON_DATA names, ../shared/data beside
// the checkout if it names none.
func DataSet(t testing.TB, name string) string {
	t.Helper()
	return have(t, filepath.Join(data(t), name), "it needs the data set "+name+" (internal/testfile/README.md)")
}

// HasDataSet says whether DataSet has a file, for tests that have more to check
// with it.
func HasDataSet(t testing.TB, name string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(data(t), name))
	return err == nil
}

func data(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("RETCON_DATA")
	if dir == "" {
		dir = filepath.Join("..", "shared", "data")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(built.Root(), dir)
	}
	return dir
}

func have(t testing.TB, path, or string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skip("NOT TESTED: " + or)
	}
	return path
}
