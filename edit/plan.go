package edit

import (
	"context"
	"time"

	"retcon/fact"
	"retcon/internal/neutral"
	"retcon/lm"
)

// Plan is what Run would do.
type Plan struct {
	Schema      int     `json:"schema"`
	Model       string  `json:"model"`
	Method      string  `json:"method"`
	Arch        string  `json:"architecture"`
	Layer       int     `json:"layer"`
	LayerFrom   string  `json:"layer_from"`
	Tensor      string  `json:"tensor"`
	Type        string  `json:"type"`
	Shape       string  `json:"shape"`
	TensorBytes int64   `json:"tensor_bytes"`
	Requests    int     `json:"requests"`
	Tokens      int     `json:"tokens"` // of the rows of one step
	Covariance  string  `json:"covariance"`
	StatsCached bool    `json:"stats_cached"`
	StatsKeys   int64   `json:"stats_keys"`
	StatsBytes  int64   `json:"stats_bytes"`
	OutputBytes int64   `json:"output_bytes,omitempty"`
	LoRABytes   int64   `json:"lora_bytes,omitempty"`
	MemoryBytes int64   `json:"memory_bytes"` // beyond the model file, without the replay
	Seconds     float64 `json:"seconds"`      // estimated, all requests
	StatsTime   float64 `json:"stats_seconds"`
	// Details are what only the method knows; their fields stand beside these.
	Details  any      `json:"-"`
	Warnings []string `json:"warnings"`

	// Lines say for people what the method would do.
	Lines []Line `json:"-"`
	// Rate is how many tokens a second the model reads, as it was measured.
	Rate float64 `json:"-"`
}

// MarshalJSON writes the plan with the method's details.
func (p *Plan) MarshalJSON() ([]byte, error) {
	type plain Plan
	return inline((*plain)(p), p.Details)
}

// MakePlan checks everything that Run checks before it computes, measures how
// fast the model reads a short text, and estimates from that. It writes
// nothing.
func MakePlan(ctx context.Context, cfg Config) (*Plan, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := newSession(&cfg)
	defer s.close()
	if err := s.open(ctx, nil); err != nil {
		return nil, err
	}
	facts := make([]fact.Fact, len(cfg.Requests))
	for i, r := range cfg.Requests {
		var err error
		if facts[i], err = s.resolve(ctx, r); err != nil {
			return nil, err
		}
		s.warnPiece(facts[i])
	}
	p := &Plan{Schema: ResultSchema, Model: cfg.Model, Method: cfg.Method.Name(), Arch: s.base.Info.Arch, Requests: len(facts), Warnings: []string{}}
	if cfg.Output != "" {
		p.OutputBytes = s.base.File.Size()
	}
	p.MemoryBytes = int64(min(sideMemory, 4*sideWindow*s.base.Info.Vocab))
	var err error
	if p.Rate, err = s.rate(ctx); err != nil {
		return nil, err
	}
	if err := s.work.Plan(ctx, facts, p); err != nil {
		return nil, err
	}
	p.Warnings = append(p.Warnings, s.base.Voice.Warnings()...)
	return p, nil
}

// rate is how many tokens a second the model reads.
func (s *session) rate(ctx context.Context) (float64, error) {
	m := s.base.Model
	all, err := m.Tokenize(neutral.Text(), false)
	if err != nil {
		return 0, err
	}
	tokens := lm.IDs(all[:min(len(all), 64)])
	row := []lm.Scored{{Tokens: tokens, From: len(tokens) - 1}}
	if _, err := m.LogProbs(ctx, row); err != nil { // the first time is slower
		return 0, err
	}
	start := time.Now()
	if _, err := m.LogProbs(ctx, row); err != nil {
		return 0, err
	}
	return float64(len(tokens)) / max(1e-6, time.Since(start).Seconds()), nil
}
