package filelock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

// A file that is not there yet can be locked; nothing is left of it.
func TestName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new.gguf")
	for range 2 {
		l, err := TakeName(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := TakeName(filepath.Join(dir, ".", "new.gguf")); !errors.Is(err, ErrBusy) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("a second run: %v", err)
		}
		other, err := TakeName(filepath.Join(dir, "other.gguf"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Close(), other.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	// What a killed process left is taken over.
	l, err := TakeName(path)
	if err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(dir)
	l.Close()
	write(t, filepath.Join(dir, left[0].Name()))
	if l, err = TakeName(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if _, err := TakeName(filepath.Join(dir, "none", "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Of many that come at once one has the lock, whoever is going out.
func TestNameAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				l, err := TakeName(path)
				if errors.Is(err, ErrBusy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if in.Add(1) != 1 {
					t.Error("two have it")
				}
				in.Add(-1)
				l.Close()
			}
		})
	}
	wg.Wait()
}
