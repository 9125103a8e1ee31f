package eval

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/proc"
)

// Schema is the version of result files and of the JSON of bench and eval.
const Schema = 1

// Run is one configuration under which records are scored.
type Run struct {
	Schema   int      `json:"schema"`
	ID       string   `json:"run"` // of the settings
	Settings Settings `json:"settings"`
	Machine  Machine  `json:"machine"`
}

// NewRun is a run of settings on a machine.
func NewRun(s Settings, m Machine) Run {
	return Run{Schema: Schema, ID: s.id(), Settings: s, Machine: m}
}

// Settings are all that decides a record's values, and so what tells one run
// from another. The shard is not among them: shards make up one run.
type Settings struct {
	Command string `json:"command"` // bench or eval
	Model   Facts  `json:"model"`
	// Base is what an evaluated file is compared with; LoRA are adapters
	// beside Model.
	Base *Facts   `json:"base,omitempty"`
	LoRA []Source `json:"lora,omitempty"`

	Method string `json:"method,omitempty"`
	// As is how an edit is scored: AsAdapter or AsBaked.
	As         string `json:"as,omitempty"`
	Layer      int    `json:"layer"`
	Covariance string `json:"covariance,omitempty"`
	// Keys is how many keys a dimension the covariance was to be made from, 0
	// by default.
	Keys    float64           `json:"keys_per_dimension,omitempty"`
	Stats   *covariance.Stats `json:"stats,omitempty"`
	HParams json.RawMessage   `json:"hyperparameters,omitempty"`
	// Tensor is the type of the edited tensor, before the edit.
	Tensor string `json:"tensor_type,omitempty"`
	// Batch is how many edits are computed at once, 0 for one.
	Batch int `json:"batch,omitempty"`
	// Own are settings of a method that has others than these.
	Own json.RawMessage `json:"tpatcher,omitempty"`
	// Sequence says that all records are edited one after the other, and
	// scored then.
	Sequence bool `json:"sequential,omitempty"`

	Data       Source       `json:"data"`
	From       int          `json:"from"` // first record
	Records    int          `json:"records"`
	ZsRE       fact.Answers `json:"zsre_target,omitempty"`
	Stages     []Stage      `json:"metrics"`
	Seed       uint64       `json:"seed"`
	Text       *Source      `json:"text,omitempty"`
	TextTokens int          `json:"text_tokens,omitempty"`
	Snippets   *Source      `json:"snippets,omitempty"`
}

// The ways to score an edit.
const (
	AsAdapter = "adapter" // in memory, beside the untouched weights
	AsBaked   = "baked"   // in a file, written as edit writes it
)

// Facts says which model it is.
type Facts struct {
	File   string `json:"file"`
	Print  string `json:"fingerprint"`
	Arch   string `json:"architecture"`
	Name   string `json:"name,omitempty"`
	Type   string `json:"type"` // of most of its weights
	Bytes  int64  `json:"bytes"`
	Params int64  `json:"params"`
	Layers int    `json:"layers"`
	Width  int    `json:"width"`
	// Types has the type of each class of tensors, such as ffn_down; several
	// where layers differ.
	Types map[string]string `json:"types,omitempty"`
}

// Source is a file that was read, with the SHA-256 of what was read of it.
type Source struct {
	File string `json:"file"`
	Sum  string `json:"sha256"`
}

// Machine is what it ran on. It may differ from shard to shard.
type Machine struct {
	Version  string   `json:"version"`
	LlamaCPP string   `json:"llama_cpp"`
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	CPU      string   `json:"cpu"`
	Devices  []string `json:"devices,omitempty"` // besides the CPU
	Threads  int      `json:"threads"`
	Time     string   `json:"time"` // at the start, RFC 3339
}

// id is a short digest of the settings. What a cache had is no setting, and
// what follows from others or is the default is left out, so that runs of
// earlier versions keep their ids.
func (s Settings) id() string {
	s.Tensor = ""
	if s.As == AsAdapter {
		s.As = ""
	}
	if s.Stats != nil {
		stats := *s.Stats
		stats.Cached = false
		s.Stats = &stats
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // no value here cannot be written
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))[:16]
}

// Entry is what became of one record.
type Entry struct {
	Run     string `json:"run,omitempty"`
	Index   int    `json:"index"`
	Case    int    `json:"case_id"`
	Prompt  string `json:"prompt"`
	Subject string `json:"subject"`
	Target  string `json:"target"`
	Old     string `json:"old,omitempty"`

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
	// behind it: the greedy continuation starts with the new answer.
	Told *bool `json:"told_at_once,omitempty"`
	// Sink says that the fact could be edited behind a prefix only.
	Sink     bool     `json:"sink,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Refusals are why edit would not write this one.
	Refusals []string `json:"refusals,omitempty"`
	PeakRSS  int64    `json:"peak_rss_bytes,omitempty"` // of the process so far
	// Error is why the record has no values.
	Error string `json:"error,omitempty"`
}

// computed takes over what is reported of an edit.
func (e *Entry) computed(c *edit.Computed) error {
	e.Update, e.EditSeconds, e.Sink = &c.Report, c.Seconds, c.Prefix != ""
	e.Warnings, e.Refusals = c.Warnings, c.Refusals
	if c.Parts == nil {
		return nil
	}
	var err error
	e.Parts, err = json.Marshal(c.Parts)
	return err
}

// SetEdit takes over what decides the edits that are scored.
func (s *Settings) SetEdit(e edit.Settings) error {
	s.Method, s.Layer, s.Covariance, s.Seed = e.Method, e.Layer, e.Covariance, e.Seed
	s.Stats, s.Tensor, s.Keys = e.Stats, e.Tensor, e.KeysPerDim
	raw := func(dst *json.RawMessage, v any) (err error) {
		if v != nil {
			*dst, err = json.Marshal(v)
		}
		return err
	}
	if e.Own != nil {
		return raw(&s.Own, e.Own)
	}
	return raw(&s.HParams, e.HParams)
}

// chat says in which conversations edits are made, empty for none.
func (s *Settings) chat() string {
	var h struct{ Chat string }
	if s.HParams == nil || json.Unmarshal(s.HParams, &h) != nil {
		return ""
	}
	return h.Chat
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

// NewEntry is that of a record without values.
func NewEntry(rec *fact.Record) Entry {
	q := rec.Request
	return Entry{Index: rec.Index, Case: rec.Case, Prompt: q.Prompt, Subject: q.Subject, Target: q.TargetNew, Old: q.TargetTrue}
}
