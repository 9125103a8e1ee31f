package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"retcon/fact"
)

// Runner scores the records of a task, under one run after the other. It goes on
// with what its results have.
type Runner struct {
	Task    *Task
	Results *Results
	// Progress, if not nil, is told how many records or tokens a stretch of
	// work has done.
	Progress func(stage string, done, total int64)
	// Logger, if not nil, is told of records that fail.
	Logger *slog.Logger
}

// RecordScorer scores one record of a run; Bench, Sequence and Compare do. What
// goes wrong with the record stands in the entry.
type RecordScorer interface {
	Record(ctx context.Context, rec *fact.Record) (Entry, error)
}

// Score scores the records that the run has no values of. label is the name of
// this work for Progress. What was done before an error is kept; if there is a
// file the error is a KeptError.
func (r *Runner) Score(ctx context.Context, run Run, label string, s RecordScorer) error {
	added, err := r.Results.Start(run)
	if err != nil {
		return err
	}
	if added {
		r.warn("the file has no results of these settings: another run is added to it", "file", r.Results.Path(), "run", run.ID)
	}
	records := r.Task.Records
	repeats := repeatsOf(records)
	for i := range records {
		rec := &records[i]
		r.progress(label, i, len(records))
		if r.Results.Has(run.ID, rec.Index) {
			continue
		}
		if first, ok := repeats[rec.Index]; ok {
			r.warn(fmt.Sprintf("record %d has the same fact as record %d", rec.Index, first))
		}
		for _, note := range NewEntry(rec).Warnings {
			r.warn(fmt.Sprintf("record %d: %s", rec.Index, note))
		}
		e, err := s.Record(ctx, rec)
		if err != nil {
			return r.Results.kept(err)
		}
		if e.Error != "" {
			r.warn(fmt.Sprintf("record %d failed: %s", rec.Index, e.Error))
		}
		e.Run = run.ID
		if err := r.Results.Add(e); err != nil {
			return err
		}
	}
	r.progress(label, len(records), len(records))
	return nil
}

// Sequence edits the records one after the other, then scores them. The edits
// are kept beside the results until all records have theirs.
func (r *Runner) Sequence(ctx context.Context, run Run, label string, s *Sequence) error {
	records := r.Task.Records
	if r.Results.HasAll(run.ID, records) {
		if err := r.Score(ctx, run, label, s); err != nil {
			return err
		}
		return r.Results.dropJournal(run.ID)
	}
	j, parts, err := r.Results.journal(run.ID)
	if err != nil {
		return err
	}
	defer j.Close()
	for i, part := range parts {
		m := new(Made)
		if err := json.Unmarshal(part, m); err != nil || i >= len(records) || m.Index != records[i].Index {
			return fmt.Errorf("%s: edit %d is not of these records", r.Results.journalPath(run.ID), i+1)
		}
		if err := s.Restore(m); err != nil {
			return fmt.Errorf("%s: %w", r.Results.journalPath(run.ID), err)
		}
	}
	for i := len(parts); i < len(records); i++ {
		r.progress(label+" edits", i, len(records))
		m, err := s.Edit(ctx, &records[i])
		if err != nil {
			return r.Results.kept(err)
		}
		if j != nil {
			if err := j.Add(m); err != nil {
				return err
			}
		}
	}
	r.progress(label+" edits", len(records), len(records))
	if err := r.Score(ctx, run, label, s); err != nil {
		return err
	}
	return j.Remove()
}

func (r *Runner) progress(stage string, done, total int) {
	if r.Progress != nil {
		r.Progress(stage, int64(done), int64(total))
	}
}

func (r *Runner) warn(text string, args ...any) {
	if r.Logger != nil {
		r.Logger.Warn(text, args...)
	}
}

// onText runs the base over the task's text.
func (r *Runner) onText(ctx context.Context, base Model) (*Text, error) {
	return r.Task.OnText(ctx, base, func(done, total int) { r.progress("text", done, total) })
}
