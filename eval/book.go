package eval

import (
	"encoding/json"
	"errors"
	"fmt"

	"retcon/internal/jsonl"
)

// book has series by their runs, in the order in which these come; of several
// entries of a record the last counts.
type book struct {
	all []Series
	at  map[string]int // by run
}

func newBook() book { return book{at: map[string]int{}} }

// series is that of a run, nil if there is none.
func (b *book) series(run string) *Series {
	at, ok := b.at[run]
	if !ok {
		return nil
	}
	return &b.all[at]
}

// add takes a run; known says that it was there before.
func (b *book) add(run Run) (s *Series, known bool) {
	if s := b.series(run.ID); s != nil {
		return s, true
	}
	b.at[run.ID] = len(b.all)
	b.all = append(b.all, Series{Run: run})
	return &b.all[len(b.all)-1], false
}

// entry takes an entry.
func (b *book) entry(e Entry) error {
	s := b.series(e.Run)
	if s == nil {
		return fmt.Errorf("a record of a run %q that is not above it", e.Run)
	}
	s.Add(e)
	return nil
}

// reader takes the lines of a file.
func (b *book) reader() jsonl.Reader { return jsonl.Reader{Header: b.runLine, Record: b.line} }

// runLine takes the line of a run.
func (b *book) runLine(line []byte) error {
	var is struct {
		Settings *json.RawMessage `json:"settings"`
	}
	var run Run
	if json.Unmarshal(line, &is) != nil || is.Settings == nil || json.Unmarshal(line, &run) != nil {
		return jsonl.ErrHeader
	}
	if run.Schema != Schema || run.ID == "" {
		return fmt.Errorf("%w: schema %d, this version reads %d", ErrResults, run.Schema, Schema)
	}
	b.add(run)
	return nil
}

// line takes any line after the first: a run's, or an entry.
func (b *book) line(line []byte) error {
	if err := b.runLine(line); !errors.Is(err, jsonl.ErrHeader) {
		return err
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	return b.entry(e)
}
