package edit

import (
	"retcon/fact"
	"retcon/lm"
)

// ResultSchema is the version of Result's JSON.
const ResultSchema = 1

// Result is what an edit did. One request has its fields at the top, several
// have theirs under Edits.
type Result struct {
	Schema     int    `json:"schema"`
	Model      string `json:"model"`
	Method     string `json:"method"`
	Layer      int    `json:"layer"`
	LayerFrom  string `json:"layer_from"` // "default", "asked", "auto" or "trace"
	Covariance string `json:"covariance"`
	Stats      Stats  `json:"stats"`
	Seed       uint64 `json:"seed"`
	Output     string `json:"output"`
	LoRA       string `json:"lora"`

	*Edit
	Edits []*Edit `json:"edits,omitempty"`

	LayersTried  []LayerTrial `json:"layers_tried,omitempty"`
	Located      *Located     `json:"located,omitempty"`
	SideEffects  *SideEffects `json:"side_effects,omitempty"`
	Asked        []Asked      `json:"asked,omitempty"`
	TypesChanged []TypeChange `json:"types_changed"`
	Warnings     []string     `json:"warnings"`

	Room   *RoomReport   `json:"room,omitempty"`   // T-Patcher: where the neurons went
	Memory *MemoryReport `json:"memory,omitempty"` // T-Patcher: what they leave alone

	LoadSeconds  float64 `json:"load_seconds"`
	StatsSeconds float64 `json:"stats_seconds"`
	Seconds      float64 `json:"seconds"` // from k* to Delta, all requests
	WriteSeconds float64 `json:"write_seconds"`
	PeakRSS      int64   `json:"peak_rss_bytes"`
	// PeakOwn is the most memory of the process's own, PeakMapped the most
	// resident pages of mapped files, the model's among them; 0 where the system
	// does not say. Their peaks may be at different times.
	PeakOwn    int64 `json:"peak_own_bytes,omitempty"`
	PeakMapped int64 `json:"peak_mapped_bytes,omitempty"`

	// Updates are the edits themselves, in order.
	Updates []lm.Update `json:"-"`
}

// Edit is what became of one request.
type Edit struct {
	Record  int          `json:"record,omitempty"`
	Prompt  string       `json:"prompt"` // as it was asked, a prefix included
	Subject string       `json:"subject"`
	Target  string       `json:"target"`
	Before  Outcome      `json:"before"`
	After   Outcome      `json:"after"`
	Written *Outcome     `json:"written,omitempty"` // on the written model
	Update  UpdateReport `json:"update"`
	Losses  []StepLoss   `json:"losses,omitempty"`
	// Patches are T-Patcher's neurons, one for each token that was wrong.
	Patches []PatchReport `json:"patches,omitempty"`
	// Error is why the request was left out or would have been refused.
	Error string `json:"error,omitempty"`

	fact  fact.Fact
	probe *probe
	alone Outcome // after this edit and those before it
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
