package eval

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/fact"
)

// Schema is the version of result files and of the JSON of bench and eval.
const Schema = 1

// Run is one configuration under which records are scored.
type Run struct {
	Schema int    `json:"schema"`
	ID     string `json:"run"` // of the settings
	// Warnings are what speaks against what is scored.
	Warnings []string `json:"warnings,omitempty"`
	Settings Settings `json:"settings"`
	Machine  Machine  `json:"machine"`
}

// NewRun is a run of settings on a machine, which begins now.
func NewRun(s Settings, m Machine) Run {
	return Run{Schema: Schema, ID: s.id(), Settings: s, Machine: m.started()}
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

	// Method, Layer, Covariance and its keys, Stats, HParams, Tensor and Own are
	// an editor's, see SetEdit.
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
	// Literal and Join are how records are read that do not say it themselves.
	Literal bool      `json:"literal,omitempty"`
	Join    fact.Join `json:"join,omitempty"`
	// Sequence says that all records are edited one after the other, and
	// scored then.
	Sequence bool `json:"sequential,omitempty"`

	Data    Source `json:"data"`
	From    int    `json:"from"` // first record
	Records int    `json:"records"`
	// Replaced is how many facts of an edited file are not scored, since a later
	// edit of it has another answer to the same prompt, or the same once more.
	Replaced   int          `json:"replaced,omitempty"`
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

// Source is a file that was read, with the SHA-256 of what was read of it.
type Source struct {
	File string `json:"file"`
	Sum  string `json:"sha256"`
	// Edited says that it is the facts which a file was edited with, or several
	// files, and Sum that of the facts.
	Edited bool `json:"edited,omitempty"`
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
	Time     string   `json:"time"` // at the start, RFC 3339; NewRun fills it in
}

// started is the machine with the time, where it has none.
func (m Machine) started() Machine {
	if m.Time == "" {
		m.Time = time.Now().UTC().Format(time.RFC3339)
	}
	return m
}

// id is a short digest of the settings. What a cache had is no setting, and
// what follows from others or is the default is left out, so that runs of
// earlier versions keep their ids.
func (s Settings) id() string {
	s.Tensor, s.Data.Edited = "", false
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

// SetEdit takes over what decides the edits that are scored.
func (s *Settings) SetEdit(e edit.Settings) (err error) {
	s.Method, s.Layer, s.Covariance, s.Seed = e.Method, e.Layer, e.Covariance, e.Seed
	s.Stats, s.Tensor, s.Keys = e.Stats, e.Tensor, e.KeysPerDim
	switch {
	case e.Own != nil:
		s.Own, err = raw(e.Own)
	case e.HParams != nil:
		s.HParams, err = raw(e.HParams)
	}
	return err
}

// chat says in which conversations edits are made, empty for none.
func (s *Settings) chat() string {
	var h struct{ Chat string }
	if s.HParams == nil || json.Unmarshal(s.HParams, &h) != nil {
		return ""
	}
	return h.Chat
}

// raw is a value as files of results have it.
func raw(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
