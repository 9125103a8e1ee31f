package edit

import (
	"encoding/json"

	"retcon/edit/covariance"
	"retcon/fact"
)

// ResultSchema is the version of Result's JSON.
const ResultSchema = 1

// Result is what a run did.
type Result struct {
	Schema     int
	Model      string
	Method     string
	Layer      int
	LayerFrom  string // "default", "asked", "auto", "trace" or "last"
	Covariance string
	Stats      covariance.Stats
	Seed       uint64
	Output     string
	LoRA       string

	Edits []*Edit // what became of each request

	LayersTried  []LayerTrial
	Located      *Located
	SideEffects  *SideEffects
	Asked        []Asked
	TypesChanged []TypeChange
	Warnings     []string

	// Details are what only the method knows; in JSON their fields stand beside
	// these. Lines say for people how the method came to its edits.
	Details any
	Lines   []Line

	LoadSeconds  float64
	StatsSeconds float64
	Seconds      float64 // from k* to Delta, all requests
	WriteSeconds float64
	PeakRSS      int64
	// PeakOwn is the most memory of the process's own, PeakMapped the most
	// resident pages of mapped files, the model's among them; 0 where the system
	// does not say. Their peaks may be at different times.
	PeakOwn    int64
	PeakMapped int64

	flat bool // JSON has the one edit's fields at the top
}

// resultJSON is Result as it is written.
type resultJSON struct {
	Schema     int              `json:"schema"`
	Model      string           `json:"model"`
	Method     string           `json:"method"`
	Layer      int              `json:"layer"`
	LayerFrom  string           `json:"layer_from"`
	Covariance string           `json:"covariance"`
	Stats      covariance.Stats `json:"stats"`
	Seed       uint64           `json:"seed"`
	Output     string           `json:"output"`
	LoRA       string           `json:"lora"`
	*Edit
	Edits        []*Edit      `json:"edits,omitempty"`
	LayersTried  []LayerTrial `json:"layers_tried,omitempty"`
	Located      *Located     `json:"located,omitempty"`
	SideEffects  *SideEffects `json:"side_effects,omitempty"`
	Asked        []Asked      `json:"asked,omitempty"`
	TypesChanged []TypeChange `json:"types_changed"`
	Warnings     []string     `json:"warnings"`
	LoadSeconds  float64      `json:"load_seconds"`
	StatsSeconds float64      `json:"stats_seconds"`
	Seconds      float64      `json:"seconds"`
	WriteSeconds float64      `json:"write_seconds"`
	PeakRSS      int64        `json:"peak_rss_bytes"`
	PeakOwn      int64        `json:"peak_own_bytes,omitempty"`
	PeakMapped   int64        `json:"peak_mapped_bytes,omitempty"`
}

// MarshalJSON writes the result of a single request with its fields at the top,
// of several with theirs in a list under edits.
func (r *Result) MarshalJSON() ([]byte, error) {
	p := resultJSON{Schema: r.Schema, Model: r.Model, Method: r.Method, Layer: r.Layer, LayerFrom: r.LayerFrom, Covariance: r.Covariance,
		Stats: r.Stats, Seed: r.Seed, Output: r.Output, LoRA: r.LoRA, Edits: r.Edits, LayersTried: r.LayersTried, Located: r.Located,
		SideEffects: r.SideEffects, Asked: r.Asked, TypesChanged: r.TypesChanged, Warnings: r.Warnings, LoadSeconds: r.LoadSeconds,
		StatsSeconds: r.StatsSeconds, Seconds: r.Seconds, WriteSeconds: r.WriteSeconds, PeakRSS: r.PeakRSS, PeakOwn: r.PeakOwn, PeakMapped: r.PeakMapped}
	if r.flat && len(r.Edits) == 1 {
		p.Edit, p.Edits = r.Edits[0], nil
	}
	return inline(p, r.Details)
}

var _ json.Marshaler = (*Result)(nil)

// Edit is what became of one request.
type Edit struct {
	Record  int           `json:"record,omitempty"`
	Prompt  string        `json:"prompt"` // as it was asked, a prefix included
	Subject string        `json:"subject"`
	Target  string        `json:"target"`
	Join    fact.Join     `json:"join,omitempty"` // how the target follows, where it was given or the model was asked
	Before  Outcome       `json:"before"`
	After   Outcome       `json:"after"`
	Written *Outcome      `json:"written,omitempty"` // on the written model
	Update  *UpdateReport `json:"update"`            // nil where none was computed
	Losses  []StepLoss    `json:"losses,omitempty"`
	// Parts are reports of what the edit consists of, as Computed has them.
	Parts any `json:"patches,omitempty"`
	// SameAs is the record of an earlier request that asks for the same: nothing
	// was computed for this one.
	SameAs int `json:"same_as,omitempty"`
	// Error is why the request was left out or would have been refused.
	Error string `json:"error,omitempty"`

	first *Edit // of SameAs
	// above says that it was computed on top of an edit that was then left out.
	above bool

	fact     fact.Fact
	probe    *probe
	computed *Computed
	alone    Outcome // after this edit and those before it
}

// Computed is the edit itself, nil where none was computed.
func (e *Edit) Computed() *Computed { return e.computed }

// todo reports whether there is something to compute for the request.
func (e *Edit) todo() bool { return e.Error == "" && e.first == nil }

// repeat takes over what became of the request that this one is the same as.
func (e *Edit) repeat() {
	if f := e.first; f != nil {
		e.Prompt, e.Before, e.After, e.Written, e.Error = f.Prompt, f.Before, f.After, f.Written, f.Error
	}
}

// take takes over what was computed.
func (e *Edit) take(c *Computed) {
	e.computed, e.Update, e.Losses, e.Parts = c, &c.Report, c.Losses, c.Parts
}

// TypeChange is a tensor that was written in another type than it had.
type TypeChange struct {
	Tensor string `json:"tensor"`
	From   string `json:"from"`
	To     string `json:"to"`
	Reason string `json:"reason"`
}

// LayerTrial is what one layer did when several were tried: Score is the least
// mean log-probability of a target token, over the bare prompt and unseen
// prefixes, less ten times KL.
type LayerTrial struct {
	Layer   int     `json:"layer"`
	Score   float64 `json:"score"`
	LogProb float64 `json:"log_probability"`
	KL      float64 `json:"kl"`
	Error   string  `json:"error,omitempty"`
}
