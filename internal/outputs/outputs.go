// Package outputs keeps what a command writes from being what it reads, or two
// of its outputs from being one file.
//
// A [Plan] is told of all files, before the first of them is opened:
//
//	var p outputs.Plan
//	p.Model("-m", model)
//	p.Read("--requests", requests)
//	p.Write("-o", output)
//	if err := p.Check(); err != nil {
//		return err
//	}
package outputs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"retcon/gguf"
	"retcon/internal/input"
)

// Reasons to refuse a plan.
var (
	// ErrInput reports an output that is one of the inputs, by name, symbolic
	// link or hard link.
	ErrInput = errors.New("output is the same file as an input")
	// ErrShared reports two outputs that are one file.
	ErrShared = errors.New("two outputs are one file")
	// ErrStream reports a stream in a place that only a file can have.
	ErrStream = errors.New("it cannot be a stream")
	// ErrTwice reports a stream that two inputs are to be read from.
	ErrTwice = errors.New("one stream cannot be read twice")
)

// Plan is what is read and what is written. The zero Plan has nothing.
type Plan struct {
	// Stdin and Stdout are what "-" reads, and where the command prints its
	// result; nil where they are no files of the system.
	Stdin, Stdout *os.File
	reads, writes []use
	err           error
}

// use is a file in its part: what is said of it to people, such as a flag.
type use struct {
	part, path string
	open       *os.File // of standard input and output
	shard      bool     // beside a model's file that was named
}

// Read says of a file that it is read from its beginning to its end; "-" is
// standard input. Empty paths are no files, here and below.
func (p *Plan) Read(part string, paths ...string) {
	for _, path := range paths {
		switch path {
		case "":
		case input.Stdin:
			p.reads = append(p.reads, use{part: part, path: path, open: p.Stdin})
		default:
			p.reads = append(p.reads, use{part: part, path: path})
		}
	}
}

// Model says of a GGUF file that it is read at any place, all of its shards if it
// is named as one of several.
func (p *Plan) Model(part string, paths ...string) {
	for _, path := range paths {
		if path == input.Stdin {
			p.fail("%s %s: %w: a GGUF is read at many places; give a file", part, path, ErrStream)
			continue
		}
		p.Read(part, path)
		for _, shard := range gguf.OtherShards(path) {
			p.reads = append(p.reads, use{part: part, path: shard, shard: true})
		}
	}
}

// Input is a file that is read, under the name that was given.
type Input struct{ Part, Path string }

// Inputs are all that is read, in the order in which it was told.
func (p *Plan) Inputs() []Input {
	var out []Input
	for _, r := range p.reads {
		if !r.shard {
			out = append(out, Input{r.part, r.path})
		}
	}
	return out
}

// Write says of a file that it is written.
func (p *Plan) Write(part string, path string) {
	switch {
	case path == "":
	case path == input.Stdin:
		p.fail("%s %s: %w: it is written to a file; name one (./- is a file of that name)", part, path, ErrStream)
	case isStream(path):
		p.fail("%s %s: %w: it is written to a file; name one", part, path, ErrStream)
	default:
		p.writes = append(p.writes, use{part: part, path: path})
	}
}

// Folder says of a folder that files are written into it, under names that
// nothing else has.
func (p *Plan) Folder(part string, path string) {
	if path == input.Stdin {
		p.fail("%s %s: %w: it is a folder; name one", part, path, ErrStream)
	}
}

// isStream reports a pipe or a device, and the system's names of what is open
// already, which a file would take the place of even where they lead to one.
func isStream(path string) bool {
	if abs, err := filepath.Abs(path); err == nil {
		switch dir, name := filepath.Split(abs); {
		case strings.HasPrefix(dir, "/proc/"), dir == "/dev/fd/":
			return true
		case dir == "/dev/" && strings.HasPrefix(name, "std"):
			return true
		}
	}
	st, err := os.Stat(path)
	return err == nil && !st.Mode().IsRegular() && !st.IsDir()
}

func (p *Plan) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// Check reports what is wrong with the plan: an output that is an input, two
// outputs that are one, a stream that two inputs are read from, or one in the
// place of a file. Files that cannot be looked at count by their names.
func (p *Plan) Check() error {
	if p.err != nil {
		return p.err
	}
	if p.Stdout != nil {
		if st, err := p.Stdout.Stat(); err == nil && st.Mode().IsRegular() {
			p.writes = append(p.writes, use{part: "standard", path: "output", open: p.Stdout})
		}
	}
	reads, writes := lookAll(p.reads), lookAll(p.writes)
	for i, w := range writes {
		for _, r := range reads {
			if w.same(r) {
				return fmt.Errorf("%s %s: %w, %s %s", w.part, w.path, ErrInput, r.part, r.path)
			}
		}
		for _, other := range writes[:i] {
			if w.same(other) {
				return fmt.Errorf("%w: %s %s and %s %s; give them a file each", ErrShared, other.part, other.path, w.part, w.path)
			}
		}
	}
	for i, r := range reads {
		for _, other := range reads[:i] {
			if r.stream() && other.stream() && other.same(r) {
				return fmt.Errorf("%w: %s %s and %s %s; give one of them a file", ErrTwice, other.part, other.path, r.part, r.path)
			}
		}
	}
	return nil
}

// Same reports whether two paths name one file: by device and inode where both
// are there, else by where they would be.
func Same(a, b string) bool {
	return look(use{path: a}).same(look(use{path: b}))
}

// seen is a file as it was found.
type seen struct {
	use
	info fs.FileInfo // nil: nothing is there
	at   string      // where its path leads; of a stream its name
}

func lookAll(all []use) []seen {
	out := make([]seen, len(all))
	for i, u := range all {
		out[i] = look(u)
	}
	return out
}

func look(u use) seen {
	s := seen{use: u, at: u.path}
	var err error
	switch {
	case u.open != nil:
		s.info, err = u.open.Stat()
	case u.path != input.Stdin:
		s.at = place(u.path)
		s.info, err = os.Stat(u.path)
	}
	if err != nil {
		s.info = nil
	}
	return s
}

func (s seen) same(o seen) bool {
	if s.info != nil && o.info != nil {
		return os.SameFile(s.info, o.info)
	}
	return s.at == o.at
}

// stream reports what can be read once only.
func (s seen) stream() bool {
	return s.path == input.Stdin || s.info != nil && !s.info.Mode().IsRegular()
}

// place is where a path leads: its folder without symbolic links, and its name.
// The folder is not cleaned before, since what is above a link is not what is
// above the folder that it leads to.
func place(path string) string {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		path = filepath.Join(real, name)
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}
