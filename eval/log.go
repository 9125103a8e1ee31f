package eval

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"retcon/internal/atomicfile"
)

// Log is a file of results as JSON lines: a Run, then the Entries under it as
// they come, then the next Run. An Entry names its Run.
type Log struct {
	f    *os.File
	done map[string]map[int]bool // records that a run has, by run and index
}

// ErrLog reports a file of results that cannot be read or continued.
var ErrLog = errors.New("bad result file")

// CreateLog starts a file of results. It must not exist unless replace is set.
func CreateLog(path string, replace bool) (*Log, error) {
	flag := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if replace {
		flag = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flag, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w; --resume goes on with it, --force replaces it", path, atomicfile.ErrExists)
	}
	if err != nil {
		return nil, err
	}
	return &Log{f: f, done: map[string]map[int]bool{}}, nil
}

// ResumeLog goes on with a file of results, or starts it. A last line that was
// cut short is dropped; records that failed are tried again.
func ResumeLog(path string) (*Log, []Series, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, nil, err
	}
	l := &Log{f: f, done: map[string]map[int]bool{}}
	series, end, err := readLog(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range series {
		l.done[s.Run.ID] = map[int]bool{}
		for _, e := range s.Entries {
			l.done[s.Run.ID][e.Index] = e.Error == ""
		}
	}
	return l, series, nil
}

// Start writes the head of a run, unless the file has it.
func (l *Log) Start(r Run) error {
	if l.done[r.ID] != nil {
		return nil
	}
	l.done[r.ID] = map[int]bool{}
	return l.write(r)
}

// Has reports whether a run has values of a record.
func (l *Log) Has(run string, index int) bool { return l.done[run][index] }

// Add writes an entry.
func (l *Log) Add(e Entry) error {
	l.done[e.Run][e.Index] = e.Error == ""
	return l.write(e)
}

func (l *Log) write(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := l.f.Write(b.Bytes())
	return err
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
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, _, err := readLog(f)
	if err == nil && len(s) == 0 {
		err = fmt.Errorf("%w: there are no results in it", ErrLog)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// readLog reads series in the order of the file; of several entries of a record
// the last counts. end is where the last whole line ends.
func readLog(r io.Reader) (all []Series, end int64, err error) {
	in := bufio.NewReader(r)
	byRun := map[string]int{}
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, end, nil // what is left was cut short
		}
		if err != nil {
			return nil, 0, err
		}
		var head struct {
			Settings *json.RawMessage `json:"settings"`
		}
		if err := json.Unmarshal(line, &head); err != nil {
			return nil, 0, fmt.Errorf("%w: line %d: %w", ErrLog, n, err)
		}
		if head.Settings != nil {
			var run Run
			if err := json.Unmarshal(line, &run); err != nil {
				return nil, 0, fmt.Errorf("%w: line %d: %w", ErrLog, n, err)
			}
			if run.Schema != Schema || run.ID == "" {
				return nil, 0, fmt.Errorf("%w: line %d: schema %d, this version reads %d", ErrLog, n, run.Schema, Schema)
			}
			if _, ok := byRun[run.ID]; !ok {
				byRun[run.ID] = len(all)
				all = append(all, Series{Run: run})
			}
		} else {
			var e Entry
			if err := json.Unmarshal(line, &e); err != nil {
				return nil, 0, fmt.Errorf("%w: line %d: %w", ErrLog, n, err)
			}
			at, ok := byRun[e.Run]
			if !ok {
				return nil, 0, fmt.Errorf("%w: line %d: a record of a run %q that is not above it", ErrLog, n, e.Run)
			}
			all[at].add(e)
		}
		end += int64(len(line))
	}
}
