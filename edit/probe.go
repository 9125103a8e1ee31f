package edit

import (
	"context"
	"encoding/json"
	"math"
	"slices"

	"retcon/fact"
	"retcon/internal/vec"
	"retcon/lm"
)

// Outcome is what a model says after a prompt. The zero Outcome is that of a
// prompt that was not asked, null in JSON.
type Outcome struct {
	Probability float64 `json:"probability"` // of the whole target, the product over its tokens
	Completion  string  `json:"completion"`  // greedy
	LogProb     float64 `json:"log_probability"`
	Success     bool    `json:"success"`

	old float64 // mean log-probability of a token of the old answer
}

// MarshalJSON writes null for a prompt that was not asked, and for numbers that
// are not finite.
func (o Outcome) MarshalJSON() ([]byte, error) {
	if o == (Outcome{}) {
		return []byte("null"), nil
	}
	return json.Marshal(struct {
		Probability *float64 `json:"probability"`
		Completion  string   `json:"completion"`
		LogProb     *float64 `json:"log_probability"`
		Success     bool     `json:"success"`
	}{finite(o.Probability), o.Completion, finite(o.LogProb), o.Success})
}

// finite is a number as JSON has it, nil for one that is not finite.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// probe asks a model for a fact, always in the same way.
type probe struct {
	prefix string // before the prompt, empty but for sinks
	target lm.Scored
	old    lm.Scored // no tokens if the model says nothing, or nothing that can be compared
	fact   fact.Fact
	exact  []int32 // see fact.Fact.Exact
	length int     // tokens of a completion
}

// tokens is how many the target has.
func (p *probe) tokens() int { return len(p.target.Tokens) - p.target.From }

// newProbe makes the probe of a fact, and the outcome for the model as it is
// applied now. The old answer is the request's, or else the beginning of the
// model's own completion, as long as the target.
func newProbe(ctx context.Context, m lm.Model, f fact.Fact, prefix string) (*probe, Outcome, error) {
	s, err := fact.Tokenize(m, f, prefix, f.New)
	if err != nil {
		return nil, Outcome{}, err
	}
	p := &probe{prefix: prefix, target: s.Scored(), fact: f, length: max(10, len(s.Target)+4)}
	if p.exact, err = f.Exact(m, s.Target); err != nil {
		return nil, Outcome{}, err
	}
	prompt := p.target.Tokens[:p.target.From]
	switch {
	case f.NewBeginsOld() || f.OldBeginsNew(): // where one is said so is the beginning of the other
	case f.Old != "":
		old, err := fact.Tokenize(m, f, prefix, f.Old)
		if err != nil {
			return nil, Outcome{}, err
		}
		p.old = old.Scored()
	default:
		said, err := m.Generate(ctx, [][]int32{prompt}, len(s.Target), 1, 0, true)
		if err != nil {
			return nil, Outcome{}, err
		}
		if len(said[0]) > 0 && !slices.Equal(said[0], s.Target) {
			p.old = lm.Scored{Tokens: slices.Concat(prompt, said[0]), From: len(prompt)}
		}
	}
	o, err := p.run(ctx, m)
	return p, o, err
}

// run asks. Success is a greedy completion that tells the new answer, and a
// target likelier, per token, than the old answer where the two can be compared.
func (p *probe) run(ctx context.Context, m lm.Model) (Outcome, error) {
	var o Outcome
	prompt := p.target.Tokens[:p.target.From]
	said, err := m.Generate(ctx, [][]int32{prompt}, p.length, 1, 0, p.exact == nil)
	if err != nil {
		return o, err
	}
	rows := []lm.Scored{p.target}
	if len(p.old.Tokens) > 0 {
		rows = append(rows, p.old)
	}
	logs, err := m.LogProbs(ctx, rows)
	if err != nil {
		return o, err
	}
	o.Completion, o.Success = p.fact.Said(m, said[0], p.exact)
	o.LogProb = vec.Sum(logs[0])
	o.Probability = math.Exp(o.LogProb)
	if len(logs) > 1 {
		o.old = vec.Sum(logs[1]) / float64(len(logs[1]))
		o.Success = o.Success && o.LogProb/float64(len(logs[0])) > o.old
	}
	return o, nil
}
