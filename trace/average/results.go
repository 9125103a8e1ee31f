package average

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"retcon/internal/atomicfile"
	"retcon/internal/jsonl"
)

var resultFiles = jsonl.Format{Name: "averaged traces", Bad: ErrResults}

// Results are the records of a run. They may have a file, to which each record
// is added as it is made.
type Results struct {
	Header  Header
	Records []Record
	// Torn are the files whose last line was cut off when they were read; it
	// is left out, and its fact counts as not traced.
	Torn []string

	file *jsonl.File // nil where there is none
	at   map[int]int // where the record of a fact is in Records
}

// Memory are results without a file.
func Memory(h Header) *Results {
	h.Schema, h.Kind = Schema, fileKind
	return &Results{Header: h, at: map[int]int{}}
}

// Create starts a results file. Its errors are those of atomicfile.Create and
// jsonl.Create.
func Create(path string, h Header, opts atomicfile.Options) (*Results, error) {
	f, err := jsonl.Create(path, opts.Force)
	if err != nil {
		return nil, err
	}
	r := Memory(h)
	if err := f.Add(r.Header); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

// Resume goes on with the results file at path, after a line that was cut off
// is taken from its end, or starts it. Results of other settings than h's are
// refused with ErrSettings.
func Resume(path string, h Header) (*Results, error) {
	r := Memory(h)
	f, torn, err := resultFiles.Resume(path, r.reader(func(other Header) error {
		if d := other.Settings.differences(h.Settings); d != nil {
			return fmt.Errorf("%w: its results and this run differ in %s", ErrSettings, strings.Join(d, ", "))
		}
		if other.Shard != h.Shard {
			return fmt.Errorf("%w: it holds shard %v, this run is shard %v", ErrSettings, other.Shard, h.Shard)
		}
		return nil
	}))
	if err != nil {
		return nil, err
	}
	if torn {
		r.Torn = []string{path}
	}
	if !f.Begun() {
		if err := f.Add(r.Header); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	r.file = f
	return r, nil
}

// Read reads a results file.
func Read(path string) (*Results, error) {
	r := Memory(Header{})
	torn, err := resultFiles.Read(path, r.reader(func(Header) error { return nil }))
	if err != nil {
		return nil, err
	}
	if torn {
		r.Torn = []string{path}
	}
	return r, nil
}

// reader takes the lines of a file whose header is agreed to.
func (r *Results) reader(agree func(Header) error) jsonl.Reader {
	return jsonl.Reader{
		Header: func(line []byte) (err error) {
			if r.Header, err = parseHeader(line); err != nil {
				return err
			}
			return agree(r.Header)
		},
		Record: r.parse,
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
		if err := r.file.Add(rec); err != nil {
			return err
		}
	}
	r.add(rec)
	return nil
}

// Close closes the file.
func (r *Results) Close() error {
	if r == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Save writes all results to another file.
func (r *Results) Save(path string, opts atomicfile.Options) error {
	return jsonl.Save(path, opts, func(yield func(any) bool) {
		if !yield(r.Header) {
			return
		}
		for _, rec := range r.Records {
			if !yield(rec) {
				return
			}
		}
	})
}
