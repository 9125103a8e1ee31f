// Package jsonl keeps the results of long runs in files of JSON lines, so that
// a run goes on where it was interrupted.
//
// A file begins with a header, by which its kind is known, and has a record a
// line after it. There is one rule of durability:
//
//   - a file gets its name together with its header, and only then takes the
//     place of one that is replaced;
//   - a record is on the disk before Add returns, or is taken back;
//   - a last line without its end, after a header that is ours, was cut short
//     and is dropped when the run goes on;
//   - any other file is refused, unchanged;
//   - one run at a time writes a file, a second fails at once with
//     [filelock.ErrBusy].
package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"retcon/internal/atomicfile"
)

// Format is a kind of file.
type Format struct {
	Name string // what the file is, for errors: "results of averaged traces"
	Bad  error  // what errors of other and of damaged files wrap
}

// ErrHeader is what a Reader's Header returns for a line that is not a header
// of the format. What it returns otherwise is passed on.
var ErrHeader = errors.New("no header of this format")

// Reader takes the lines of a file, each without its end.
type Reader struct {
	Header, Record func(line []byte) error
}

// longest bounds a line: that of a trace has three grids of a thousand tokens
// and two hundred layers.
const longest = 64 << 20

// Read reads a file, which may be one that a run is writing. It reports a last
// line that was cut short; such a line is not given to r.
func (f Format) Read(path string, r Reader) (torn bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	_, torn, err = f.read(file, path, r)
	return torn, err
}

// read gives the whole lines of a file to r. end is where the last of them
// ends.
func (f Format) read(file io.Reader, path string, r Reader) (end int64, torn bool, err error) {
	in := bufio.NewReaderSize(file, 1<<16)
	for n := 1; ; n++ {
		line, whole, err := readLine(in)
		switch {
		case errors.Is(err, errLong) && n > 1:
			return 0, false, f.bad(path, fmt.Errorf("line %d is %w", n, err))
		case err != nil && !errors.Is(err, errLong):
			return 0, false, fmt.Errorf("%s: %w", path, err)
		case n == 1 && !whole:
			return 0, false, f.foreign(path)
		case !whole:
			return end, len(line) > 0, nil
		}
		if n == 1 {
			if err = r.Header(line); errors.Is(err, ErrHeader) {
				return 0, false, f.foreign(path)
			} else if err != nil {
				return 0, false, fmt.Errorf("%s: %w", path, err)
			}
		} else if err = r.Record(line); err != nil {
			return 0, false, f.bad(path, fmt.Errorf("line %d: %w", n, err))
		}
		end += int64(len(line)) + 1
	}
}

func (f Format) foreign(path string) error {
	return f.bad(path, fmt.Errorf("it does not begin with the header of %s", f.Name))
}

func (f Format) bad(path string, err error) error {
	return fmt.Errorf("%s: %w: %w", path, f.Bad, err)
}

var errLong = fmt.Errorf("longer than %d MB", longest>>20)

// readLine reads a line without its end; whole is false where the file ends
// before it does.
func readLine(in *bufio.Reader) (line []byte, whole bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > longest:
			return nil, false, errLong
		case err == nil:
			return line[:len(line)-1], true, nil
		case errors.Is(err, io.EOF):
			return line, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

// encode is a value as a line.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// Save writes a whole file at once, the header first.
func Save(path string, opts atomicfile.Options, lines iter.Seq[any]) error {
	opts.Lock = true // not over one that a run is writing
	f, err := atomicfile.Create(path, opts)
	if err != nil {
		return err
	}
	defer f.Abort()
	w := bufio.NewWriter(f)
	for v := range lines {
		line, err := encode(v)
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Commit()
}
