package average

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"retcon/internal/atomicfile"
)

// Results are the records of a run. They may have a file, to which each record
// is added as it is made.
type Results struct {
	Header  Header
	Records []Record
	// Torn are the files whose last line was cut off when they were read; it
	// is left out, and its fact counts as not traced.
	Torn []string

	file *os.File    // nil where there is none
	at   map[int]int // where the record of a fact is in Records
}

// Memory are results without a file.
func Memory(h Header) *Results {
	h.Schema, h.Kind = Schema, fileKind
	return &Results{Header: h, at: map[int]int{}}
}

// Create starts a results file. Its errors are those of atomicfile.Create.
func Create(path string, h Header, opts atomicfile.Options) (*Results, error) {
	r := Memory(h)
	if err := r.Save(path, opts); err != nil {
		return nil, err
	}
	return r, r.open(path)
}

// open opens the file to add to it.
func (r *Results) open(path string) (err error) {
	r.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// Resume goes on with the results file at path, after a line that was cut off
// is taken from its end. Results of other settings than h's are refused with
// ErrSettings.
func Resume(path string, h Header) (*Results, error) {
	r, size, err := read(path)
	if err != nil {
		return nil, err
	}
	if d := r.Header.Settings.differences(h.Settings); d != nil {
		return nil, fmt.Errorf("%s: %w: its results and this run differ in %s", path, ErrSettings, strings.Join(d, ", "))
	}
	if r.Header.Shard != h.Shard {
		return nil, fmt.Errorf("%s: %w: it holds shard %v, this run is shard %v", path, ErrSettings, r.Header.Shard, h.Shard)
	}
	if len(r.Torn) > 0 {
		if err := os.Truncate(path, size); err != nil {
			return nil, err
		}
	}
	return r, r.open(path)
}

// Read reads a results file.
func Read(path string) (*Results, error) {
	r, _, err := read(path)
	return r, err
}

// read also gives the bytes of the file up to the end of its last whole line.
func read(path string) (r *Results, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(in)
		switch {
		case errors.Is(err, io.EOF) && r == nil:
			return nil, 0, fmt.Errorf("%s: %w: it does not begin with the header of averaged traces", path, ErrResults)
		case errors.Is(err, io.EOF):
			if len(line) > 0 {
				r.Torn = []string{path}
			}
			return r, size, nil
		case err != nil:
			return nil, 0, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		if n == 1 {
			h, err := parseHeader(line)
			if err != nil {
				return nil, 0, fmt.Errorf("%s: %w", path, err)
			}
			r = Memory(h)
		} else if err := r.parse(line); err != nil {
			return nil, 0, fmt.Errorf("%s: %w: line %d: %w", path, ErrResults, n, err)
		}
		size += int64(len(line)) + 1
	}
}

// longestLine bounds a line: three grids of a thousand tokens and two hundred
// layers.
const longestLine = 64 << 20

// readLine reads a line without its end. With io.EOF it gives what stands
// behind the last end of a line.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > longestLine:
			return nil, fmt.Errorf("%w: it is longer than %d MB", ErrResults, longestLine>>20)
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// parse adds the record of a line.
func (r *Results) parse(line []byte) error {
	var rec Record
	if err := json.Unmarshal(line, &rec); err != nil {
		return fmt.Errorf("it is not a record: %w", err)
	}
	switch {
	case rec.Record < 1 || rec.Record > r.Header.Facts || !r.Header.Shard.Has(rec.Record):
		return fmt.Errorf("record %d is not one of shard %v of %d facts", rec.Record, r.Header.Shard, r.Header.Facts)
	case r.Has(rec.Record):
		return fmt.Errorf("record %d is there twice", rec.Record)
	}
	if err := rec.check(r.Header.Settings); err != nil {
		return fmt.Errorf("record %d: %w", rec.Record, err)
	}
	r.add(rec)
	return nil
}

// add adds a record, or puts it in the place of one of the same fact that
// failed.
func (r *Results) add(rec Record) {
	if i, ok := r.at[rec.Record]; ok {
		r.Records[i] = rec
		return
	}
	r.at[rec.Record] = len(r.Records)
	r.Records = append(r.Records, rec)
}

// Has reports whether there is a record of a fact that did not fail.
func (r *Results) Has(record int) bool {
	i, ok := r.at[record]
	return ok && r.Records[i].Status != Failed
}

// Append adds a record, and to the file, on the disk, where there is one.
func (r *Results) Append(rec Record) error {
	if r.file != nil {
		line, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		if _, err := r.file.Write(append(line, '\n')); err != nil {
			return err
		}
		if err := r.file.Sync(); err != nil {
			return err
		}
	}
	r.add(rec)
	return nil
}

// Close closes the file.
func (r *Results) Close() error {
	if r == nil || r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Save writes all results to another file.
func (r *Results) Save(path string, opts atomicfile.Options) error {
	f, err := atomicfile.Create(path, opts)
	if err != nil {
		return err
	}
	defer f.Abort()
	w := bufio.NewWriter(f)
	write := func(v any) error {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(append(line, '\n'))
		return err
	}
	if err := write(r.Header); err != nil {
		return err
	}
	for _, rec := range r.Records {
		if err := write(rec); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Commit()
}
