package filelock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	if _, err := Take(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no file: %v", err)
	}
	write(t, path)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	l, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, link} {
		if _, err := Take(p); !errors.Is(err, ErrBusy) || !strings.HasPrefix(err.Error(), p) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Take(link); err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// A file that was put in the place of a locked one has a lock of its own.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	path, next := filepath.Join(dir, "f"), filepath.Join(dir, "next")
	write(t, path)
	write(t, next)
	old, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
	l, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	if _, err := Take(path); !errors.Is(err, ErrBusy) {
		t.Errorf("the old lock's end frees the new file: %v", err)
	}
	l.Close()
}
