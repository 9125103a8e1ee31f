package main

import (
	"context"
	"encoding/json"
	"fmt"

	"retcon/eval"
	"retcon/internal/jsonl"
)

// sequence edits the records one after the other, then scores them. The edits
// are kept beside the results until all records have theirs.
func (a *app) sequence(ctx context.Context, r *results, s *sweep, run eval.Run, label string, seq *eval.Sequence) error {
	if r.complete(run.ID, s.task) {
		return a.score(ctx, r, s.task, run, label, seq)
	}
	j, made, err := s.journal(run.ID)
	if err != nil {
		return err
	}
	defer j.Close()
	for i, part := range made {
		m := new(eval.Made)
		if err := json.Unmarshal(part, m); err != nil || i >= len(s.task.records) || m.Index != s.task.records[i].Index {
			return fmt.Errorf("%s: edit %d is not of these records", s.journalPath(run.ID), i+1)
		}
		if err := seq.Restore(m); err != nil {
			return fmt.Errorf("%s: %w", s.journalPath(run.ID), err)
		}
	}
	for i := len(made); i < len(s.task.records); i++ {
		a.progress(label+" edits", i, len(s.task.records))
		m, err := seq.Edit(ctx, &s.task.records[i])
		if err != nil {
			return r.interrupted(err)
		}
		if j != nil {
			if err := j.Add(m); err != nil {
				return err
			}
		}
	}
	a.progress(label+" edits", len(s.task.records), len(s.task.records))
	if err := a.score(ctx, r, s.task, run, label, seq); err != nil {
		return err
	}
	return j.Remove()
}

// complete reports whether the file has all records of a run.
func (r *results) complete(run string, t *task) bool {
	for _, rec := range t.records {
		if r.log == nil || !r.log.Has(run, rec.Index) {
			return false
		}
	}
	return true
}

// journalPath is where the edits of a sequence are kept while it is under way.
func (s *sweep) journalPath(run string) string { return s.score.output + "." + run + ".edits" }

// journal opens it, or none where results are not written.
//
// Results that were replaced take theirs with them.
func (s *sweep) journal(run string) (*jsonl.Journal, []json.RawMessage, error) {
	switch path := s.journalPath(run); {
	case s.score.output == "":
		return nil, nil, nil
	case s.score.resume:
		return jsonl.ResumeJournal(path, run)
	default:
		j, err := jsonl.CreateJournal(path, run)
		return j, nil, err
	}
}
