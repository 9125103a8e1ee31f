package average

import (
	"encoding/json"
	"fmt"
	"math"
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

	Tokens []string `json:"tokens,omitempty"`
	Range  [2]int   `json:"subject_range,omitzero"` // the subject's tokens [begin, end)
	// First is the token whose probability was traced: the answer's first.
	First      string  `json:"first,omitempty"`
	PClean     float64 `json:"p_clean,omitempty"`
	PCorrupted float64 `json:"p_corrupted,omitempty"`
	Grids
	// Logit is the same measured by another figure than the probability: how
	// far the answer's logit stands out. It has no severed runs.
	Logit *Measure `json:"logit_difference,omitempty"`
	// Hypothesis is what else was measured of the fact. It is the caller's and
	// is kept as it is.
	Hypothesis json.RawMessage `json:"hypothesis,omitempty"`
}

// Measure is one figure over all runs of a fact.
type Measure struct {
	Clean     float64 `json:"clean"`
	Corrupted float64 `json:"corrupted"`
	Grids
}

// Grids are [token][layer], the figure with one value restored; nil where the
// kind was not traced.
type Grids struct {
	Hidden  [][]float64 `json:"hidden,omitempty"`
	MLP     [][]float64 `json:"mlp,omitempty"`
	Attn    [][]float64 `json:"attn,omitempty"`
	Severed *Severed    `json:"severed,omitempty"`
}

// Severed are the severed runs of the subject's last token, by layer.
type Severed struct {
	Single      []float64 `json:"single"`
	MLPSevered  []float64 `json:"mlp_severed"`
	AttnSevered []float64 `json:"attn_severed"`
}

// The kinds of grid.
const (
	Hidden = "hidden"
	MLP    = "mlp"
	Attn   = "attn"
)

// grid is the grid of a kind.
func (g *Grids) grid(kind string) [][]float64 {
	switch kind {
	case Hidden:
		return g.Hidden
	case MLP:
		return g.MLP
	case Attn:
		return g.Attn
	}
	return nil
}

// probability is the record's main measure.
func (r *Record) probability() *Measure { return &Measure{r.PClean, r.PCorrupted, r.Grids} }

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
	if err := r.probability().check("", len(r.Tokens), s); err != nil {
		return err
	}
	if s.Hypothesis != "" && r.Hypothesis == nil {
		return fmt.Errorf("it has no hypothesis")
	}
	if r.Logit == nil {
		return nil
	}
	return r.Logit.check("logit_difference.", len(r.Tokens), s.unsevered())
}

// check reports what is wrong with the shapes and numbers of a measure.
func (m *Measure) check(prefix string, tokens int, s Settings) error {
	if !finite(m.Clean, m.Corrupted) {
		return fmt.Errorf("a figure is not finite")
	}
	for _, kind := range s.Kinds {
		g := m.grid(kind)
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
	for _, row := range [][]float64{m.Severed.Single, m.Severed.MLPSevered, m.Severed.AttnSevered} {
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
