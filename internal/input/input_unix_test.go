//go:build unix

package input

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pipe is a named pipe into which text is written once.
func pipe(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	go os.WriteFile(path, []byte(text), 0)
	return path
}

func TestFile(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("a file"), 0o666); err != nil {
		t.Fatal(err)
	}
	in := &Inputs{Stdin: strings.NewReader("from stdin")}
	ctx := context.Background()
	for _, path := range []string{"", plain, filepath.Join(temp, "nosuch")} {
		if got, err := in.File(ctx, path); err != nil || got != path {
			t.Errorf("%q: %q, %v", path, got, err)
		}
	}
	for path, want := range map[string]string{Stdin: "from stdin", pipe(t, "from a pipe"): "from a pipe"} {
		for range 2 { // it is read once, and there as often as it is wanted
			got, err := in.File(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			if text := read(t, got); text != want || Once(got) {
				t.Errorf("%s: %q", path, text)
			}
			if text := in.Named(got + ": bad"); text != Name(path)+": bad" {
				t.Errorf("%s: %q", path, text)
			}
		}
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// failing is a stream that ends in an error.
type failing struct{ io.Reader }

func (f failing) Read([]byte) (int, error) { return 0, errors.New("no more") }

// silent is a stream that says nothing.
type silent struct{ io.Reader }

func (s silent) Read([]byte) (int, error) { select {} }

func TestFileFails(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	in := &Inputs{Stdin: failing{}}
	if _, err := in.File(context.Background(), Stdin); err == nil || err.Error() != "stdin: no more" {
		t.Errorf("%v", err)
	}
	in.Stdin = silent{}
	alone := filepath.Join(t.TempDir(), "alone") // a pipe that nobody writes to
	if err := syscall.Mkfifo(alone, 0o600); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{Stdin, alone} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		if _, err := in.File(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
		cancel()
	}
	in.Close()
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestNames(t *testing.T) {
	for path, want := range map[string][2]string{
		"-":          {"stdin", "stdin"},
		"/dev/stdin": {"/dev/stdin", "stdin"},
		"a/b.jsonl":  {"a/b.jsonl", "b.jsonl"},
		os.DevNull:   {os.DevNull, "pipe"},
		os.TempDir(): {os.TempDir(), filepath.Base(os.TempDir())},
		pipe(t, ""):  {"", "pipe"},
	} {
		if want[0] != "" && Name(path) != want[0] || Label(path) != want[1] {
			t.Errorf("%s: %s, %s", path, Name(path), Label(path))
		}
	}
	if f, err := (*Inputs)(nil).Open(os.DevNull); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
}
