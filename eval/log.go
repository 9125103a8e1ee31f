package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"retcon/internal/atomicfile"
	"retcon/internal/jsonl"
)

// ErrLog reports a file of results that cannot be read or continued.
var ErrLog = errors.New("bad result file")

var resultFiles = jsonl.Format{Name: "results of bench or eval", Bad: ErrLog}

// Log is a file of results as JSON lines: a Run, then the Entries under it as
// they come, then the next Run. An Entry names its Run.
type Log struct {
	f    *jsonl.File
	done map[string]map[int]bool // records that a run has, by run and index
}

// CreateLog starts a file of results. What is there has to be empty, unless
// replace is set, and stays until the first run starts.
func CreateLog(path string, replace bool) (*Log, error) {
	f, err := jsonl.Create(path, replace)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w; --resume goes on with it, --force replaces it", err)
	}
	return &Log{f: f, done: map[string]map[int]bool{}}, err
}

// ResumeLog goes on with a file of results, or starts it. A last line that was
// cut short is dropped; records that failed are tried again.
func ResumeLog(path string) (*Log, []Series, error) {
	var b book
	f, _, err := resultFiles.Resume(path, b.reader())
	if err != nil {
		return nil, nil, err
	}
	l := &Log{f: f, done: map[string]map[int]bool{}}
	for _, s := range b.all {
		l.done[s.Run.ID] = map[int]bool{}
		for _, e := range s.Entries {
			l.done[s.Run.ID][e.Index] = e.Error == ""
		}
	}
	return l, b.all, nil
}

// Start writes the head of a run, unless the file has it.
func (l *Log) Start(r Run) error {
	if l.done[r.ID] != nil {
		return nil
	}
	l.done[r.ID] = map[int]bool{}
	return l.f.Add(r)
}

// Has reports whether a run has values of a record.
func (l *Log) Has(run string, index int) bool { return l.done[run][index] }

// Add writes an entry.
func (l *Log) Add(e Entry) error {
	l.done[e.Run][e.Index] = e.Error == ""
	return l.f.Add(e)
}

// Close closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}

// ReadLog reads a file of results.
func ReadLog(path string) ([]Series, error) {
	var b book
	_, err := resultFiles.Read(path, b.reader())
	return b.all, err
}

// WriteLog writes series to a file of results, all at once.
func WriteLog(path string, opts atomicfile.Options, all []Series) error {
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

// book collects series in the order of a file; of several entries of a record
// the last counts.
type book struct {
	all []Series
	at  map[string]int // by run
}

func (b *book) reader() jsonl.Reader {
	b.at = map[string]int{}
	return jsonl.Reader{Header: b.run, Record: b.line}
}

// run takes the line of a run.
func (b *book) run(line []byte) error {
	var run Run
	var is struct {
		Settings *json.RawMessage `json:"settings"`
	}
	if json.Unmarshal(line, &is) != nil || is.Settings == nil || json.Unmarshal(line, &run) != nil {
		return jsonl.ErrHeader
	}
	if run.Schema != Schema || run.ID == "" {
		return fmt.Errorf("%w: schema %d, this version reads %d", ErrLog, run.Schema, Schema)
	}
	if _, ok := b.at[run.ID]; !ok {
		b.at[run.ID] = len(b.all)
		b.all = append(b.all, Series{Run: run})
	}
	return nil
}

// line takes any line after the first: a run's, or an entry.
func (b *book) line(line []byte) error {
	if err := b.run(line); !errors.Is(err, jsonl.ErrHeader) {
		return err
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	at, ok := b.at[e.Run]
	if !ok {
		return fmt.Errorf("a record of a run %q that is not above it", e.Run)
	}
	b.all[at].add(e)
	return nil
}
