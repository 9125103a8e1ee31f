package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"retcon/internal/filelock"
)

// names lists what a directory holds.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the directory has %q, want %q", got, want)
	}
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	f, err := Create(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	if _, err := f.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the destination is there before Commit: %v", err)
	}
	if b, _ := os.ReadFile(f.TempPath()); string(b) != "whole" {
		t.Errorf("the temporary file has %q", b)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "whole" {
		t.Errorf("the destination has %q", b)
	}
	if err := f.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
	if err := f.Commit(); err == nil {
		t.Error("a second Commit succeeded")
	}
	wantFiles(t, dir, "out")
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "out"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("half"))
	for range 2 {
		if err := f.Abort(); err != nil {
			t.Error(err)
		}
	}
	if err := f.Commit(); err == nil {
		t.Error("Commit after Abort succeeded")
	}
	wantFiles(t, dir)
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	old := put(t, filepath.Join(dir, "old"), "old")
	lost := filepath.Join(dir, "lost")
	if err := os.Symlink("nowhere", lost); err != nil {
		t.Skip(err)
	}
	before := names(t, dir)
	for _, c := range []struct {
		path string
		opts Options
		want error
	}{
		{old, Options{}, ErrExists},
		{old, Options{}, fs.ErrExist},
		{lost, Options{}, ErrExists},
		{dir, Options{Force: true}, ErrNotRegular},
		{os.DevNull, Options{Force: true}, ErrNotRegular},
		{filepath.Join(dir, "none", "out"), Options{}, fs.ErrNotExist},
	} {
		f, err := Create(c.path, c.opts)
		if !errors.Is(err, c.want) {
			t.Errorf("%s %+v: %v, want %v", c.path, c.opts, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %q", err)
		}
		f.Abort()
	}
	wantFiles(t, dir, before...)
}

func TestForceReplaces(t *testing.T) {
	dir := t.TempDir()
	path := put(t, filepath.Join(dir, "out"), "old")
	f, err := Create(path, Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("new"))
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the destination changed before Commit: %q", b)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "new" {
		t.Errorf("the destination has %q", b)
	}
	wantFiles(t, dir, "out")
}

// A destination that another process makes while we write is not lost.
func TestCommitRace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	f, err := Create(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("ours"))
	put(t, path, "theirs")
	if err := f.Commit(); !errors.Is(err, ErrExists) {
		t.Errorf("Commit: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "theirs" {
		t.Errorf("the destination has %q", b)
	}
	wantFiles(t, dir, "out")
}

// The longest name that a file system takes leaves no room for a suffix.
func TestLongName(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("n", 255)
	f, err := Create(filepath.Join(dir, name), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, name)
}

// A reserved place is one run's, from before there is anything to write, and
// nothing is left of it.
func TestReserve(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	p, err := Reserve(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		if _, err := Reserve(path, Options{Force: force}); !errors.Is(err, filelock.ErrBusy) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("a second run: %v", err)
		}
		if _, err := Create(path, Options{Force: force, Lock: true}); !errors.Is(err, filelock.ErrBusy) {
			t.Errorf("a second run: %v", err)
		}
	}
	f, err := p.Create()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := Reserve(path, Options{Force: true}); !errors.Is(err, filelock.ErrBusy) {
		t.Errorf("after a file is written: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, "out")
	if _, err := Reserve(path, Options{}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	growing, err := filelock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Reserve(path, Options{Force: true}); !errors.Is(err, filelock.ErrBusy) {
		t.Errorf("a file that a run adds to: %v", err)
	}
	growing.Close()
	for range 2 {
		if f, err = Create(path, Options{Force: true, Lock: true}); err != nil {
			t.Fatal(err)
		}
		if err := f.Abort(); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, dir, "out")
	if _, err := Reserve(dir, Options{Force: true}); !errors.Is(err, ErrNotRegular) {
		t.Error(err)
	}
}
