package jsonl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Journal keeps finished parts of a run that writes its output at the end, so
// that the run goes on after them. It has a key, which names all that decides
// what the parts are, and is removed once the run is complete.
type Journal struct{ f *File }

// Errors of journals.
var (
	ErrKept       = errors.New("an interrupted run left it")
	ErrOtherRun   = errors.New("it is of a run with other settings")
	ErrNotJournal = errors.New("it is no journal")
)

var journals = Format{Name: "an interrupted run's journal", Bad: ErrNotJournal}

// journalHead is the header.
type journalHead struct {
	Schema int    `json:"retcon_journal"`
	Key    string `json:"key"`
}

const journalSchema = 1

// journalReader collects parts. An empty key takes any.
func journalReader(key string, parts *[]json.RawMessage) Reader {
	return Reader{
		Header: func(line []byte) error {
			var h journalHead
			if json.Unmarshal(line, &h) != nil || h.Schema != journalSchema {
				return ErrHeader
			}
			if key != "" && h.Key != key {
				return ErrOtherRun
			}
			return nil
		},
		Record: func(line []byte) error {
			if !json.Valid(line) {
				return errors.New("it is not JSON")
			}
			*parts = append(*parts, line)
			return nil
		},
	}
}

// CheckJournal reports a journal with parts, as ErrKept, or a file that is
// none. A journal without parts, or an empty file, counts as none.
func CheckJournal(path string) error {
	if st, err := os.Stat(path); err == nil && st.Size() == 0 {
		return nil
	}
	var parts []json.RawMessage
	_, err := journals.Read(path, journalReader("", &parts))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(parts) == 0:
		return nil
	case err == nil:
		return fmt.Errorf("%s: %w", path, ErrKept)
	}
	return err
}

// CreateJournal starts a journal, in the place of one that is there. A file that
// is none is refused.
func CreateJournal(path, key string) (*Journal, error) {
	if err := CheckJournal(path); err != nil && !errors.Is(err, ErrKept) {
		return nil, err
	}
	f, err := Create(path, true)
	if err != nil {
		return nil, err
	}
	return startJournal(f, key)
}

func startJournal(f *File, key string) (*Journal, error) {
	if err := f.Add(journalHead{journalSchema, key}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Journal{f}, nil
}

// ResumeJournal opens a journal and gives its parts, or starts one. A journal of
// another key is ErrOtherRun.
func ResumeJournal(path, key string) (*Journal, []json.RawMessage, error) {
	var parts []json.RawMessage
	f, _, err := journals.Resume(path, journalReader(key, &parts))
	if err != nil {
		return nil, nil, err
	}
	if f.Begun() {
		return &Journal{f}, parts, nil
	}
	j, err := startJournal(f, key)
	return j, nil, err
}

// Add writes a part, through to the disk.
func (j *Journal) Add(part any) error { return j.f.Add(part) }

// Close leaves the journal for a later run. A nil Journal has nothing to leave.
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
	return j.f.Remove()
}
