package eval

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"retcon/edit"
	"retcon/fact"
	"retcon/internal/input"
	"retcon/internal/neutral"
	"retcon/internal/shard"
	"retcon/lm"
)

// Task is what is to be scored, read from its files.
type Task struct {
	Records  []fact.Record // those of the shard
	Stages   []Stage
	Snippets *Snippets // nil: none
	Text     string    // for the stage OnText
	// Settings are those that the files decide; runs begin with them.
	Settings Settings
}

// TaskConfig says what is to be scored and on which metrics.
type TaskConfig struct {
	Command string // bench or eval, for the settings
	// Data is a file of records.
	Data string
	// Edited, in place of Data, is a model or adapters: the facts that they say
	// they were edited with are scored, each once.
	Edited  []string
	Answers fact.Answers // that records of zsRE are read with
	// Literal and Join are how requests are read that do not say it themselves.
	Literal bool
	Join    fact.Join
	// N records from record From on are scored, all if N is 0, and of these one
	// shard.
	From, N int
	Shard   shard.Shard

	Stages []Stage
	// Text and the file it is from are for the stage OnText; a text on everyday
	// matters if empty. TextTokens is how many tokens of it are used.
	Text, TextFile string
	TextTokens     int
	Snippets       string // a file of reference texts; empty: none
	// Open opens Data and Snippets, each once; nil is os.Open.
	Open func(path string) (io.ReadCloser, error)
}

// NewTask reads what is to be scored. Errors wrap fact.ErrRequest where the
// configuration cannot be carried out.
func NewTask(c TaskConfig) (*Task, error) {
	all, data, replaced, err := c.records()
	if err != nil {
		return nil, err
	}
	for i := range all {
		r := &all[i].Request
		r.Literal, r.Join = r.Literal || c.Literal, cmp.Or(r.Join, c.Join)
	}
	t := &Task{Stages: c.Stages}
	if t.Records, err = Subset(all, c.From, c.N, c.Shard); err != nil {
		return nil, err
	}
	if len(t.Records) == 0 {
		return nil, fmt.Errorf("%w: shard %v of so few records is empty", fact.ErrRequest, c.Shard)
	}
	n := len(all) - c.From
	if c.N > 0 {
		n = min(n, c.N)
	}
	t.Settings = Settings{Command: c.Command, Data: data, From: c.From, Records: n, Replaced: replaced, Stages: c.Stages, Literal: c.Literal, Join: c.Join}
	if slices.ContainsFunc(all, func(r fact.Record) bool { return r.Tokens }) {
		t.Settings.ZsRE = c.Answers
	}
	return t, c.texts(t)
}

// records are all records, where they are from, and how many facts of edited
// files are not among them, since later edits replaced them.
func (c *TaskConfig) records() ([]fact.Record, Source, int, error) {
	if len(c.Edited) == 0 {
		var all []fact.Record
		data, err := c.readSource(c.Data, func(r io.Reader) (err error) {
			all, err = fact.ParseRecords(r, c.Answers)
			return err
		})
		return all, data, 0, err
	}
	requests, files, replaced, err := c.recorded()
	if err != nil {
		return nil, Source{}, 0, err
	}
	text, err := json.Marshal(requests)
	return fact.RecordsOf(requests), Source{File: strings.Join(files, " and "), Sum: digest(text), Edited: true}, replaced, err
}

// recorded are the facts of the files of Edited, and the names of those that have
// any; replaced is how many later edits of the same file replaced.
func (c *TaskConfig) recorded() (all []fact.Request, files []string, replaced int, err error) {
	seen := map[string]bool{}
	var none error
	for _, path := range c.Edited {
		requests, err := edit.RecordedRequests(path)
		if errors.Is(err, fact.ErrRequest) && len(c.Edited) > 1 {
			none = err
			continue
		}
		if err != nil {
			return nil, nil, 0, err
		}
		requests, n := edit.Standing(requests)
		replaced += n
		if name := filepath.Base(path); !slices.Contains(files, name) {
			files = append(files, name)
		}
		for _, r := range requests {
			if d := r.Digest(); len(c.Edited) == 1 || !seen[d] {
				seen[d] = true
				all = append(all, r)
			}
		}
	}
	if len(all) == 0 {
		return nil, nil, 0, none
	}
	return all, files, replaced, nil
}

// texts takes the texts that the stages need.
func (c *TaskConfig) texts(t *Task) error {
	if slices.Contains(c.Stages, OnText) {
		source := Source{File: input.Label(c.TextFile)}
		if t.Text = c.Text; t.Text == "" {
			t.Text, source.File = neutral.Text(), "built in"
		}
		source.Sum = digest([]byte(t.Text))
		t.Settings.Text, t.Settings.TextTokens = &source, c.TextTokens
	}
	if c.Snippets == "" {
		return nil
	}
	var snippets *Snippets
	source, err := c.readSource(c.Snippets, func(r io.Reader) (err error) {
		snippets, err = ParseSnippets(r)
		return err
	})
	if slices.Contains(c.Stages, Fluent) {
		t.Snippets, t.Settings.Snippets = snippets, &source
	}
	return err
}

// OnText runs the base, which has to be as it is, over the task's text; nil if no
// metric needs it. Close the result.
func (t *Task) OnText(ctx context.Context, base lm.Model, progress func(done, total int)) (*Text, error) {
	if !slices.Contains(t.Stages, OnText) {
		return nil, nil
	}
	return NewText(ctx, base, t.Text, t.Settings.TextTokens, progress)
}

// readSource hands a file to read, once, and says which it was: all of it
// counts, also what read leaves.
func (c *TaskConfig) readSource(path string, read func(io.Reader) error) (Source, error) {
	open := c.Open
	if open == nil {
		open = func(path string) (io.ReadCloser, error) { return os.Open(path) }
	}
	f, err := open(path)
	if err != nil {
		return Source{}, err
	}
	defer f.Close()
	sum := sha256.New()
	in := io.TeeReader(f, sum)
	if err := read(in); err != nil {
		return Source{}, fmt.Errorf("%s: %w", input.Name(path), err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return Source{}, err
	}
	return Source{File: input.Label(path), Sum: fmt.Sprintf("%x", sum.Sum(nil))}, nil
}

// SourceOf names a file, with its digest.
func SourceOf(path string) (Source, error) {
	return new(TaskConfig).readSource(path, func(io.Reader) error { return nil })
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
