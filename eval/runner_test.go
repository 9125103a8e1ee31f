package eval

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"retcon/edit"
	"retcon/fact"
	"retcon/internal/filelock"
	"retcon/internal/jsonl"
	"retcon/internal/shard"
)

// stopping is a RecordScorer that ends the context after so many records.
type stopping struct {
	RecordScorer
	after int
	stop  context.CancelFunc
	calls []int
}

func (s *stopping) Record(ctx context.Context, rec *fact.Record) (Entry, error) {
	if len(s.calls) == s.after {
		s.stop()
	}
	s.calls = append(s.calls, rec.Index)
	return s.RecordScorer.Record(ctx, rec)
}

func newRunner(results *Results, records []fact.Record) *Runner {
	return &Runner{Task: &Task{Records: records, Stages: Stages}, Results: results}
}

func mustResults(t *testing.T) func(r *Results, err error) *Results {
	return func(r *Results, err error) *Results {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
}

var benchRun = NewRun(Settings{Command: "bench", Method: "rome"}, Machine{Time: "now"})

// oneRun scores all records at once, in memory.
func oneRun(t *testing.T) Series {
	t.Helper()
	r := newRunner(MemoryResults(), benchRecords())
	if err := r.Score(t.Context(), benchRun, "", newBench(t)); err != nil {
		t.Fatal(err)
	}
	return timeless(r.Results.Series()[0])
}

// A run that is interrupted after any record, even in the middle of a line, goes
// on to what one run gives, and does nothing twice that did not fail.
func TestRunnerResumes(t *testing.T) {
	must, whole := mustResults(t), oneRun(t)
	for after := range 5 {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		ctx, cancel := context.WithCancel(t.Context())
		r := newRunner(must(CreateResults(path, false)), benchRecords())
		err := r.Score(ctx, benchRun, "", &stopping{RecordScorer: newBench(t), after: after, stop: cancel})
		kept, ok := errors.AsType[*KeptError](err)
		if !ok || kept.Path != path || !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d records: %v", after, err)
		}
		r.Results.Close()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(`{"run":"` + benchRun.ID)
		f.Close()

		r = newRunner(must(ResumeResults(path)), benchRecords())
		s := &stopping{RecordScorer: newBench(t), after: -1}
		if err := r.Score(t.Context(), benchRun, "", s); err != nil {
			t.Fatal(err)
		}
		r.Results.Close()
		var want []int
		for i := range 5 {
			if i >= after || i == 1 { // record 1 always fails
				want = append(want, i)
			}
		}
		if !slices.Equal(s.calls, want) {
			t.Errorf("after %d records %v were scored", after, s.calls)
		}
		if d := cmp.Diff(whole, timeless(r.Results.Series()[0])); d != "" {
			t.Errorf("after %d records (-whole +resumed)\n%s", after, d)
		}
		read, err := ReadResults(path)
		if err != nil || len(read) != 1 {
			t.Fatal(err)
		}
		if d := cmp.Diff(whole, timeless(read[0])); d != "" {
			t.Errorf("after %d records (-whole +file)\n%s", after, d)
		}
	}
}

// Shards, each with a file of its own, merge to the very run over all records.
func TestRunnerShards(t *testing.T) {
	must, whole := mustResults(t), oneRun(t)
	var paths []string
	for i := 3; i >= 1; i-- {
		rs, err := Subset(benchRecords(), 0, 0, shard.Shard{I: i, N: 3})
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(t.TempDir(), "part.jsonl"))
		r := newRunner(must(CreateResults(paths[3-i], false)), rs)
		if err := r.Score(t.Context(), benchRun, "", newBench(t)); err != nil {
			t.Fatal(err)
		}
		r.Results.Close()
	}
	merged, err := MergeResults(paths)
	if err != nil || len(merged) != 1 {
		t.Fatalf("%d runs, %v", len(merged), err)
	}
	if d := cmp.Diff(whole, timeless(merged[0])); d != "" {
		t.Errorf("(-whole +merged)\n%s", d)
	}
	if d := cmp.Diff(whole.Edited(), merged[0].Edited(), cmpopts.EquateNaNs()); d != "" {
		t.Errorf("(-whole +merged)\n%s", d)
	}
}

// What is told on the way: how far it is, what failed, and that a file gets
// another run.
func TestRunnerTells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	r := newRunner(mustResults(t)(CreateResults(path, false)), benchRecords())
	var log bytes.Buffer
	var steps []int64
	r.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r.Progress = func(stage string, done, total int64) {
		if stage != "work" || total != 5 {
			t.Errorf("%s of %d", stage, total)
		}
		steps = append(steps, done)
	}
	if err := r.Score(t.Context(), benchRun, "work", newBench(t)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(steps, []int64{0, 1, 2, 3, 4, 5}) || !strings.Contains(log.String(), "record 1 failed: "+errNothing.Error()) || strings.Contains(log.String(), "another run") {
		t.Errorf("%v %s", steps, log.String())
	}
	r.Results.Close()
	r.Results = mustResults(t)(ResumeResults(path))
	if err := r.Score(t.Context(), NewRun(Settings{Command: "eval"}, Machine{}), "work", newBench(t)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "another run is added") {
		t.Error(log.String())
	}
	if series := r.Results.Series(); len(series) != 1 || series[0].Err() != nil {
		t.Errorf("%d series", len(series))
	}
	failed := Series{Entries: []Entry{{Error: "no luck"}}}
	if err := failed.Err(); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("nothing was scored: %v", err)
	}
}

// stoppingEditor ends the context instead of computing one more edit.
type stoppingEditor struct {
	keepingEditor
	left *int
	stop context.CancelFunc
}

func (e stoppingEditor) Compute(ctx context.Context, r fact.Request, step func(int, int)) (*edit.Computed, error) {
	if *e.left--; *e.left < 0 {
		e.stop()
		return nil, ctx.Err()
	}
	return e.keepingEditor.Compute(ctx, r, step)
}

// A sequence that is interrupted among its edits, or while these are scored, goes
// on after them and ends as one that ran through; its journal is gone then.
func TestSequenceResumes(t *testing.T) {
	must, records := mustResults(t), benchRecords()
	run := NewRun(Settings{Command: "bench", Sequence: true}, Machine{Time: "now"})
	memory := newRunner(MemoryResults(), records)
	s, _ := newSequence(t)
	if err := memory.Sequence(t.Context(), run, "", s); err != nil {
		t.Fatal(err)
	}
	whole := timeless(memory.Results.Series()[0])
	for done := range 6 { // 5 are all edits: it ends while the first is scored
		path := filepath.Join(t.TempDir(), "results.jsonl")
		ctx, cancel := context.WithCancel(t.Context())
		r := newRunner(must(CreateResults(path, false)), records)
		s, _ := newSequence(t)
		if left := done; done < 5 {
			s.Editor = stoppingEditor{s.Editor.(keepingEditor), &left, cancel}
		} else {
			r.Progress = func(stage string, done, total int64) {
				if stage == "" && done == 1 {
					cancel()
				}
			}
		}
		err := r.Sequence(ctx, run, "", s)
		if _, ok := errors.AsType[*KeptError](err); !ok || !errors.Is(err, context.Canceled) {
			t.Fatalf("%d edits: %v", done, err)
		}
		r.Results.Close()
		journal := r.Results.journalPath(run.ID)
		if err := jsonl.CheckJournal(journal); done > 0 && !errors.Is(err, jsonl.ErrKept) {
			t.Errorf("%d edits: the journal is %v", done, err)
		}
		r = newRunner(must(ResumeResults(path)), records)
		s, kept := newSequence(t)
		if err := r.Sequence(t.Context(), run, "", s); err != nil {
			t.Fatalf("%d edits: %v", done, err)
		}
		if *kept != 4 {
			t.Errorf("%d edits: %d were kept", done, *kept)
		}
		if d := cmp.Diff(whole, timeless(r.Results.Series()[0])); d != "" {
			t.Errorf("%d edits (-whole +resumed)\n%s", done, d)
		}
		if _, err := os.Stat(journal); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d edits: the journal is left: %v", done, err)
		}
	}
}

// A journal of other records, or what is none, is not taken for the run's; one
// that a complete run has left is removed; one at a time.
func TestSequenceJournals(t *testing.T) {
	must, records := mustResults(t), benchRecords()[2:]
	run := NewRun(Settings{Command: "bench", Sequence: true}, Machine{Time: "now"})
	path := filepath.Join(t.TempDir(), "results.jsonl")
	r := newRunner(must(ResumeResults(path)), records)
	journal := r.Results.journalPath(run.ID)
	leave := func(index int) {
		j, _, err := jsonl.ResumeJournal(journal, run.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Add(Made{Index: index, Error: "failed"}), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	sequence := func() error {
		s, _ := newSequence(t)
		return r.Sequence(t.Context(), run, "", s)
	}
	leave(0)
	if err := sequence(); err == nil || !strings.Contains(err.Error(), journal+": edit 1 is not of these records") {
		t.Errorf("other records: %v", err)
	}
	if err := os.WriteFile(journal, []byte("notes"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := sequence(); !errors.Is(err, jsonl.ErrNotJournal) {
		t.Errorf("no journal: %v", err)
	}
	os.Remove(journal)
	j, _, err := jsonl.ResumeJournal(journal, run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := sequence(); !errors.Is(err, filelock.ErrBusy) {
		t.Errorf("beside another run: %v", err)
	}
	j.Remove()
	if err := sequence(); err != nil {
		t.Fatal(err)
	}
	leave(2)
	if err := sequence(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(journal); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a complete run leaves a journal: %v", err)
	}
}
