package eval

import (
	"context"
	"encoding/json"

	"retcon/edit"
	"retcon/fact"
	"retcon/internal/proc"
)

// Entry is what became of one record.
type Entry struct {
	Run     string `json:"run,omitempty"`
	Index   int    `json:"index"`
	Case    int    `json:"case_id"`
	Prompt  string `json:"prompt"`
	Subject string `json:"subject"`
	Target  string `json:"target"`
	Old     string `json:"old,omitempty"`
	// Join is how the target follows the prompt, where that was given or the model
	// was asked. ControlTokens are those that were read in the record's texts.
	Join          fact.Join `json:"join,omitempty"`
	ControlTokens []string  `json:"control_tokens,omitempty"`

	Base   *Result `json:"base,omitempty"`
	Edited *Result `json:"edited,omitempty"`

	Update      *edit.UpdateReport `json:"update,omitempty"`
	EditSeconds float64            `json:"edit_seconds,omitempty"`
	// WriteSeconds and TypesChanged are of a baked file.
	WriteSeconds float64           `json:"write_seconds,omitempty"`
	TypesChanged []edit.TypeChange `json:"types_changed,omitempty"`
	// Parts are reports of what the edit consists of, as edit.Computed has them.
	Parts json.RawMessage `json:"patches,omitempty"`
	// Told says, of an edit in a sequence, whether the fact was told right
	// after it: the greedy continuation starts with the new answer.
	Told *bool `json:"told_at_once,omitempty"`
	// Sink says that the fact could be edited after a prefix only.
	Sink     bool     `json:"sink,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Refusals are why edit would not write this one.
	Refusals []string `json:"refusals,omitempty"`
	PeakRSS  int64    `json:"peak_rss_bytes,omitempty"` // of the process so far
	// Error is why the record has no values.
	Error string `json:"error,omitempty"`
}

// computed takes over what is reported of an edit.
func (e *Entry) computed(c *edit.Computed) (err error) {
	e.Update, e.EditSeconds, e.Sink = &c.Report, c.Seconds, c.Prefix != ""
	e.Warnings, e.Refusals = append(e.Warnings, c.Warnings...), c.Refusals
	if c.Parts != nil {
		e.Parts, err = raw(c.Parts)
	}
	return err
}

// done ends an entry: err, if any, is what went wrong with its record, unless
// the context was cancelled.
func (e Entry) done(ctx context.Context, err error) (Entry, error) {
	if ctx.Err() != nil {
		return e, context.Cause(ctx)
	}
	if err != nil {
		e.Error, e.Edited = err.Error(), nil
	}
	e.PeakRSS = proc.PeakRSS()
	return e, nil
}

// NewEntry is that of a record without values, with what is odd about its answers.
func NewEntry(rec *fact.Record) Entry {
	q := rec.Request
	e := Entry{Index: rec.Index, Case: rec.Case, Prompt: q.Prompt, Subject: q.Subject, Target: q.TargetNew, Old: q.TargetTrue}
	e.Warnings = e.notes()
	return e
}
