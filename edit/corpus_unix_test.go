//go:build unix

package edit_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"retcon/gguf"
)

// A text for statistics that is a pipe gives what a file gives, under the same
// name in the cache, and its copy is removed.
func TestCorpusFromPipe(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	text, err := os.ReadFile(cfg.Corpus)
	if err != nil {
		t.Fatal(err)
	}
	want := mustRun(t, cfg)
	from := cfg
	from.CacheDir, from.Corpus = t.TempDir(), filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(from.Corpus, 0o600); err != nil {
		t.Skip(err)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	go os.WriteFile(from.Corpus, text, 0)
	sameEdits(t, mustRun(t, from), want)
	kept, err := os.ReadDir(cfg.CacheDir)
	if err != nil || len(kept) == 0 {
		t.Fatalf("%v, %v", kept, err)
	}
	for _, k := range kept {
		sameFile(t, filepath.Join(from.CacheDir, k.Name()), filepath.Join(cfg.CacheDir, k.Name()))
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
