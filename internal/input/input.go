// Package input opens what people name as inputs: files, pipes and standard
// input. What can be read once is read once.
package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Stdin names standard input where a file could be named.
const Stdin = "-"

// Name is what errors call an input.
func Name(path string) string {
	if path == Stdin {
		return "stdin"
	}
	return path
}

// Label is what results call an input: a file's name without its folder, and one
// word for all pipes, whose names differ from run to run.
func Label(path string) string {
	switch {
	case path == Stdin || path == "/dev/stdin":
		return "stdin"
	case Once(path):
		return "pipe"
	}
	return filepath.Base(path)
}

// Once reports what can be read once only, from its beginning to its end.
func Once(path string) bool {
	if path == Stdin {
		return true
	}
	st, err := os.Stat(path)
	return err == nil && !st.Mode().IsRegular() && !st.IsDir()
}

// Inputs are those of a command. Close them after use. Nil Inputs open files
// only.
type Inputs struct {
	// Stdin is what "-" reads; nil where that is no name of standard input.
	Stdin io.Reader
	dirs  []string // of copies
	paths map[string]string
}

// Open opens an input that is read once, from its beginning to its end.
func (in *Inputs) Open(path string) (io.ReadCloser, error) {
	if in != nil && path == Stdin && in.Stdin != nil {
		return io.NopCloser(in.Stdin), nil
	}
	return os.Open(path)
}

// File gives the path of a file with what an input has, which can be read at any
// place, again and again: the input itself, or a temporary copy of a stream,
// which is there until Close. It is made once, however often it is asked for.
func (in *Inputs) File(ctx context.Context, path string) (string, error) {
	if path == "" || !Once(path) || path == Stdin && in.Stdin == nil {
		return path, nil
	}
	if copied, ok := in.paths[path]; ok {
		return copied, nil
	}
	dir, err := os.MkdirTemp("", "retcon-input-*")
	if err != nil {
		return "", err
	}
	in.dirs = append(in.dirs, dir)
	copied := filepath.Join(dir, Label(path))
	if err := in.spool(ctx, copied, path); err != nil {
		return "", fmt.Errorf("%s: %w", Name(path), err)
	}
	if in.paths == nil {
		in.paths = map[string]string{}
	}
	in.paths[path] = copied
	return copied, nil
}

// spool copies a stream to a new file. One that says nothing, or that nobody
// writes to, does not keep it from ending with ctx.
func (in *Inputs) spool(ctx context.Context, path, stream string) error {
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		from, err := in.Open(stream)
		if err == nil {
			_, err = io.Copy(to, reader{ctx, from})
			from.Close()
		}
		copied <- errors.Join(err, to.Close())
	}()
	select {
	case err := <-copied:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reader ends with its context.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(b)
}

// Named gives inputs their own names in a text that has those of their copies.
func (in *Inputs) Named(text string) string {
	if in == nil {
		return text
	}
	for path, copied := range in.paths {
		text = strings.ReplaceAll(text, copied, Name(path))
	}
	return text
}

// Close removes copies.
func (in *Inputs) Close() error {
	if in == nil {
		return nil
	}
	var errs []error
	for _, dir := range in.dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	in.dirs = nil
	return errors.Join(errs...)
}
