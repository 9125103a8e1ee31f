// Package journal keeps finished parts of a long run in a file, so that the run
// goes on behind them after an interruption. A journal has a key, which names
// all that decides what the parts are; parts are JSON lines behind it, each on
// the disk before the next is begun.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Errors of journals.
var (
	ErrExists = errors.New("an interrupted run left it")
	ErrOther  = errors.New("it is of a run with other settings")
	ErrBroken = errors.New("it is no journal")
)

// Journal is an open journal.
type Journal struct{ f *os.File }

// head is the first line.
type head struct {
	Schema int    `json:"retcon_journal"`
	Key    string `json:"key"`
}

const (
	schema = 1
	mark   = `{"retcon_journal":` // begins a head
)

// Create starts a journal. One that is there is replaced if that is asked for,
// else the error is ErrExists; one without parts counts as none.
func Create(path, key string, replace bool) (*Journal, error) {
	if !replace {
		if err := Check(path); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	j := &Journal{f}
	if err := j.Add(head{schema, key}); err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

// Check reports a journal with parts, as ErrExists, or a file that is none.
func Check(path string) error {
	parts, _, err := read(path, "")
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(parts) == 0:
		return nil
	case err == nil:
		err = ErrExists
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Resume opens a journal and gives its parts, or starts one. A last part that
// was cut short is dropped. A journal of another key is ErrOther.
func Resume(path, key string) (*Journal, []json.RawMessage, error) {
	parts, end, err := read(path, key)
	if errors.Is(err, fs.ErrNotExist) {
		j, err := Create(path, key, false)
		return j, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o666)
	if err != nil {
		return nil, nil, err
	}
	err = f.Truncate(end)
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err == nil && end == 0 { // not even the head was written
		err = (&Journal{f}).Add(head{schema, key})
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return &Journal{f}, parts, nil
}

// read gives the whole parts of a file and where they end. An empty key takes
// any.
func read(path, key string) (parts []json.RawMessage, end int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for first := true; ; first = false {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if first && !bytes.HasPrefix(line, []byte(mark)) && !bytes.HasPrefix([]byte(mark), line) {
				return nil, 0, ErrBroken
			}
			return parts, end, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if first {
			var h head
			if json.Unmarshal(line, &h) != nil || h.Schema != schema {
				return nil, 0, ErrBroken
			}
			if key != "" && h.Key != key {
				return nil, 0, ErrOther
			}
		} else if !json.Valid(line) {
			return nil, 0, ErrBroken
		} else {
			parts = append(parts, line)
		}
		end += int64(len(line))
	}
}

// Add writes a part, through to the disk.
func (j *Journal) Add(part any) error {
	b, err := json.Marshal(part)
	if err != nil {
		return err
	}
	if _, err := j.f.Write(append(b, '\n')); err != nil {
		return err
	}
	return j.f.Sync()
}

// Close leaves the journal for a later run.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	return j.f.Close()
}

// Remove closes the journal of a run that is complete, and deletes it.
func (j *Journal) Remove() error {
	if j == nil {
		return nil
	}
	return errors.Join(j.f.Close(), os.Remove(j.f.Name()))
}
