package edit

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Computed is the edit of one fact, computed and not yet written.
type Computed struct {
	// Change is what the method changes: *rome.Rank, or *tpatcher.Neurons. It
	// writes itself to JSON as an object.
	Change any
	Report UpdateReport
	// Parts are reports of what the edit consists of, where a method makes it of
	// several things; a list, or nil.
	Parts   any
	Losses  []StepLoss
	Seconds float64
	// Prefix, if not empty, is the text after which the fact is told: alone the
	// prompt does not show the edit.
	Prefix   string
	Warnings []string
	// Refusals are reasons not to write the edit.
	Refusals []string

	raw json.RawMessage // read from JSON, until a method restores Change
}

// UpdateReport has the numbers by which an update of a weight is judged; those
// that a method does not have are 0.
type UpdateReport struct {
	KeyNorm     float64 `json:"key_norm"`    // ||k*||
	Denominator float64 `json:"denominator"` // u·k*, u of unit length
	DeltaNorm   float64 `json:"delta_norm"`  // ||Delta||, Frobenius
	WeightNorm  float64 `json:"weight_norm"` // ||W||, Frobenius
	ValueNorm   float64 `json:"value_norm"`  // ||v* - W k*||
	OutputNorm  float64 `json:"output_norm"` // ||W k|| of the bare prompt
	BareShare   float64 `json:"bare_share"`  // share of the value that the bare prompt's key gets
	Keys        int     `json:"keys"`        // constraints: 1, or 2 with the bare key apart
	Steps       int     `json:"steps"`
	Loss        float64 `json:"loss"` // final, total
	NLL         float64 `json:"nll"`  // final
	AtClamp     bool    `json:"at_clamp"`
}

// StepLoss is the loss of one step of an optimisation and its parts, in nats, as
// the reference prints them.
type StepLoss struct {
	Total float64 `json:"total"`
	NLL   float64 `json:"nll"`
	KL    float64 `json:"kl"`    // weighted
	Decay float64 `json:"decay"` // weighted
}

// computedJSON is what all methods have in common of a Computed in a journal.
type computedJSON struct {
	Report   UpdateReport    `json:"update"`
	Sink     bool            `json:"sink,omitempty"`
	Prefix   string          `json:"prefix,omitempty"`
	Seconds  float64         `json:"seconds"`
	Warnings []string        `json:"warnings,omitempty"`
	Refusals []string        `json:"refusals,omitempty"`
	Parts    json.RawMessage `json:"patches,omitempty"`
	Losses   []StepLoss      `json:"losses,omitempty"`
}

// MarshalJSON writes all that it takes to apply and keep the edit, bit for bit,
// and what is reported of it.
func (c *Computed) MarshalJSON() ([]byte, error) {
	p := computedJSON{Report: c.Report, Sink: c.Prefix != "", Prefix: c.Prefix, Seconds: c.Seconds, Warnings: c.Warnings, Refusals: c.Refusals, Losses: c.Losses}
	if c.Parts != nil {
		var err error
		if p.Parts, err = json.Marshal(c.Parts); err != nil {
			return nil, err
		}
	}
	return inline(p, c.Change)
}

// UnmarshalJSON reads what MarshalJSON wrote; [Work.Restore] makes Change of it.
func (c *Computed) UnmarshalJSON(data []byte) error {
	var p computedJSON
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*c = Computed{Report: p.Report, Prefix: p.Prefix, Seconds: p.Seconds, Warnings: p.Warnings, Refusals: p.Refusals, Losses: p.Losses, raw: append(json.RawMessage(nil), data...)}
	if p.Parts != nil {
		c.Parts = p.Parts
	}
	return nil
}

// Decode reads into change what a Change wrote of itself, for [Work.Restore].
func (c *Computed) Decode(change any) error {
	if c.raw == nil {
		return errors.New("the edit was not read from JSON")
	}
	return json.Unmarshal(c.raw, change)
}

// inline writes several values as one JSON object; nil ones have no part in it.
func inline(values ...any) ([]byte, error) {
	out := []byte("{")
	for _, v := range values {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // an encoder that is to escape does so again
		if err := enc.Encode(v); err != nil {
			return nil, err
		}
		text := bytes.TrimSpace(b.Bytes())
		if len(text) <= 2 || text[0] != '{' { // null, or empty
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, text[1:len(text)-1]...)
	}
	return append(out, '}'), nil
}
