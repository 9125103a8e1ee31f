package average

import (
	"encoding/json"
	"fmt"
	"math"

	"retcon/trace/doubt"
	"retcon/trace/result"
)

// Status is what became of a fact.
type Status string

const (
	Traced Status = "traced" // the model gets it right, and the traces are there
	Wrong  Status = "wrong"  // the model says something else
	Failed Status = "failed" // an error; Record.Error says which
)

// Record is a line of a results file: what became of one fact.
type Record struct {
	Fact
	Status  Status  `json:"status"`
	Said    string  `json:"said,omitempty"` // the greedy continuation of the prompt
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`

	// What follows is of a traced fact only.

	Tokens      []string `json:"tokens,omitempty"`
	TokensBytes [][]byte `json:"tokens_bytes,omitempty"` // the prompt's bytes, by token
	Range       [2]int   `json:"subject_range,omitzero"` // the subject's tokens [begin, end)
	// First is the token whose probability was traced: the answer's first.
	First      string  `json:"first,omitempty"`
	FirstBytes []byte  `json:"first_bytes,omitempty"` // of a part of a character
	PClean     float64 `json:"p_clean,omitempty"`
	PCorrupted float64 `json:"p_corrupted,omitempty"`
	Grids
	// Logit is the same measured by another figure than the probability: how
	// far the answer's logit stands out. It has no severed runs.
	Logit *Measure `json:"logit_difference,omitempty"`
	// Hypothesis is what else was measured of the fact. It is the caller's and
	// is kept as it is.
	Hypothesis json.RawMessage `json:"hypothesis,omitempty"`
	// Doubts are why the trace may mean nothing.
	Doubts []doubt.Kind `json:"doubts,omitempty"`
}

// What a trace gives; see package result.
type (
	Measure = result.Measure
	Grids   = result.Grids
	Severed = result.Severed
)

// The kinds of grid.
const (
	Hidden = result.Hidden
	MLP    = result.MLP
	Attn   = result.Attn
)

// probability is the record's main measure.
func (r *Record) probability() *Measure {
	return &Measure{Clean: r.PClean, Corrupted: r.PCorrupted, Grids: r.Grids}
}

// asText puts U+FFFD in the place of bytes that are no text, as they come back from
// a file: what is merged is then what one run writes.
func (r *Record) asText() {
	for _, s := range []*string{&r.Said, &r.Error, &r.First} {
		*s = string([]rune(*s))
	}
	for i, s := range r.Tokens {
		r.Tokens[i] = string([]rune(s))
	}
}

// check reports what is wrong with a record under settings.
func (r *Record) check(s Settings) error {
	switch r.Status {
	case Wrong, Failed:
		return nil
	case Traced:
	default:
		return fmt.Errorf("its status is %q", r.Status)
	}
	if r.Range[0] < 0 || r.Range[0] >= r.Range[1] || r.Range[1] > len(r.Tokens) {
		return fmt.Errorf("its subject_range is %v of %d tokens", r.Range, len(r.Tokens))
	}
	if n := len(r.TokensBytes); n != 0 && n != len(r.Tokens) {
		return fmt.Errorf("its tokens_bytes has %d of %d tokens", n, len(r.Tokens))
	}
	if err := checkMeasure(r.probability(), "", len(r.Tokens), s); err != nil {
		return err
	}
	if s.Hypothesis != "" && r.Hypothesis == nil {
		return fmt.Errorf("it has no hypothesis")
	}
	if r.Logit == nil {
		return nil
	}
	return checkMeasure(r.Logit, "logit_difference.", len(r.Tokens), s.unsevered())
}

// checkMeasure reports what is wrong with the shapes and numbers of a measure.
func checkMeasure(m *Measure, prefix string, tokens int, s Settings) error {
	if !finite(m.Clean, m.Corrupted) {
		return fmt.Errorf("a figure is not finite")
	}
	for _, kind := range s.Kinds {
		g := m.Grid(kind)
		if len(g) != tokens {
			return fmt.Errorf("its %s%s has %d rows for %d tokens", prefix, kind, len(g), tokens)
		}
		for _, row := range g {
			if len(row) != s.Layers || !finite(row...) {
				return fmt.Errorf("its %s%s has a row that is not %d finite numbers", prefix, kind, s.Layers)
			}
		}
	}
	if !s.Sever {
		return nil
	}
	if m.Severed == nil {
		return fmt.Errorf("it has no %ssevered", prefix)
	}
	for _, row := range m.Severed.All() {
		if len(row) != s.Layers || !finite(row...) {
			return fmt.Errorf("its %ssevered has a row that is not %d finite numbers", prefix, s.Layers)
		}
	}
	return nil
}

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
