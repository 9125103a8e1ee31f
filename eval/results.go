package eval

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"

	"retcon/fact"
	"retcon/internal/atomicfile"
	"retcon/internal/jsonl"
)

// Results are what runs give. They may have a file, to which each entry is added
// as it is made: JSON lines, a Run, then the Entries under it as they come, then
// the next Run. An Entry names its Run.
type Results struct {
	file    *jsonl.File // nil where there is none
	path    string
	resumed bool // the file may have been there
	had     bool // it had runs
	book    book
	started []string // runs that were started, in order
}

// ErrResults reports a file of results that cannot be read or continued.
var ErrResults = errors.New("bad result file")

var resultFiles = jsonl.Format{Name: "results of bench or eval", Bad: ErrResults}

// MemoryResults are results without a file.
func MemoryResults() *Results { return &Results{book: newBook()} }

// CreateResults starts a file of results. What is there has to be empty, unless
// replace is set, and stays until the first run starts; else the error is
// fs.ErrExist.
func CreateResults(path string, replace bool) (*Results, error) {
	f, err := jsonl.Create(path, replace)
	if err != nil {
		return nil, err
	}
	return &Results{file: f, path: path, book: newBook()}, nil
}

// ResumeResults goes on with a file of results, or starts it. A last line that
// was cut short is dropped; records that failed are tried again.
func ResumeResults(path string) (*Results, error) {
	b := newBook()
	f, _, err := resultFiles.Resume(path, b.reader())
	if err != nil {
		return nil, err
	}
	return &Results{file: f, path: path, resumed: true, had: len(b.all) > 0, book: b}, nil
}

// Path is that of the file, empty where there is none.
func (r *Results) Path() string { return r.path }

// Start begins a run, or goes on with it. It reports a run that is added to a
// file of others.
func (r *Results) Start(run Run) (added bool, err error) {
	if _, known := r.book.add(run); !known {
		added = r.had
		if r.file != nil {
			err = r.file.Add(run)
		}
	}
	if !slices.Contains(r.started, run.ID) {
		r.started = append(r.started, run.ID)
	}
	return added, err
}

// Has reports whether a run has values of a record.
func (r *Results) Has(run string, index int) bool {
	s := r.book.series(run)
	return s != nil && s.has(index)
}

// HasAll reports whether a run has values of all records.
func (r *Results) HasAll(run string, records []fact.Record) bool {
	for _, rec := range records {
		if !r.Has(run, rec.Index) {
			return false
		}
	}
	return true
}

// Add adds an entry of a run that was started, to the file, on the disk, too.
func (r *Results) Add(e Entry) error {
	if err := r.book.entry(e); err != nil {
		return err
	}
	if r.file != nil {
		return r.file.Add(e)
	}
	return nil
}

// Series are the runs that were started, in order, with what the file had of
// them.
func (r *Results) Series() []Series {
	var out []Series
	for _, id := range r.started {
		out = append(out, *r.book.series(id))
	}
	return out
}

// Close closes the file. Nil Results have none.
func (r *Results) Close() error {
	if r == nil {
		return nil
	}
	return r.file.Close()
}

// KeptError is an error that results of before it are kept of: a run with the
// same file goes on with them.
type KeptError struct {
	Err  error
	Path string // of the results
}

// Error is the error's own text.
func (e *KeptError) Error() string { return e.Err.Error() }

// Unwrap is what ended the run.
func (e *KeptError) Unwrap() error { return e.Err }

// kept says, of an error, where results are kept.
func (r *Results) kept(err error) error {
	if err == nil || r.file == nil {
		return err
	}
	return &KeptError{err, r.path}
}

// journal keeps the edits of a sequence beside the file while it is under way,
// and gives those that are there; nil where there is no file. Results that were
// replaced take theirs with them.
func (r *Results) journal(run string) (*jsonl.Journal, []json.RawMessage, error) {
	path := r.journalPath(run)
	switch {
	case r.file == nil:
		return nil, nil, nil
	case r.resumed:
		return jsonl.ResumeJournal(path, run)
	}
	j, err := jsonl.CreateJournal(path, run)
	return j, nil, err
}

func (r *Results) journalPath(run string) string { return r.path + "." + run + ".edits" }

// dropJournal removes what a run that is complete has left of its journal.
func (r *Results) dropJournal(run string) error {
	if _, err := os.Stat(r.journalPath(run)); r.file == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	j, _, err := r.journal(run)
	if err != nil {
		return err
	}
	return j.Remove()
}

// ReadResults reads a file of results.
func ReadResults(path string) ([]Series, error) {
	b := newBook()
	_, err := resultFiles.Read(path, b.reader())
	return b.all, err
}

// MergeResults reads files of results and joins their runs; see Merge.
func MergeResults(paths []string) ([]Series, error) {
	var all []Series
	for _, path := range paths {
		s, err := ReadResults(path)
		if err != nil {
			return nil, err
		}
		all = append(all, s...)
	}
	return Merge(all), nil
}

// WriteResults writes series to a file of results, all at once.
func WriteResults(path string, opts atomicfile.Options, all []Series) error {
	return jsonl.Save(path, opts, func(yield func(any) bool) {
		for _, s := range all {
			if !yield(s.Run) {
				return
			}
			for _, e := range s.Entries {
				if !yield(e) {
					return
				}
			}
		}
	})
}
