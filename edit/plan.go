package edit

import (
	"context"
	"time"

	"retcon/edit/contexts"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/neutral"
	"retcon/lm"
)

// Plan is what Run would do.
type Plan struct {
	Schema      int         `json:"schema"`
	Model       string      `json:"model"`
	Method      string      `json:"method"`
	Arch        string      `json:"architecture"`
	Layer       int         `json:"layer"`
	LayerFrom   string      `json:"layer_from"`
	Tensor      string      `json:"tensor"`
	Type        string      `json:"type"`
	Shape       string      `json:"shape"`
	TensorBytes int64       `json:"tensor_bytes"`
	Requests    int         `json:"requests"`
	Tokens      int         `json:"tokens"` // of the rows of one step
	Covariance  string      `json:"covariance"`
	StatsCached bool        `json:"stats_cached"`
	StatsKeys   int64       `json:"stats_keys"`
	StatsBytes  int64       `json:"stats_bytes"`
	OutputBytes int64       `json:"output_bytes,omitempty"`
	LoRABytes   int64       `json:"lora_bytes,omitempty"`
	MemoryBytes int64       `json:"memory_bytes"` // beyond the model file, without the replay
	Seconds     float64     `json:"seconds"`      // estimated, all requests
	StatsTime   float64     `json:"stats_seconds"`
	Room        *RoomReport `json:"room,omitempty"` // T-Patcher
	Warnings    []string    `json:"warnings"`
}

// MakePlan checks everything that Run checks before it computes, measures how
// fast the model reads a short text, and estimates from that. It writes
// nothing.
func MakePlan(ctx context.Context, cfg Config) (*Plan, error) {
	s := &session{cfg: &cfg}
	defer s.close()
	if err := cfg.anyRequest(); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if cfg.method() == MethodTPatcher {
		return s.planPatches(ctx)
	}
	h := cfg.HParams
	layer := h.layer(s.info)
	w, _, err := s.weight(ctx, layer)
	if err != nil {
		return nil, err
	}
	p := &Plan{Schema: ResultSchema, Model: cfg.Model, Method: "rome", Arch: s.info.Arch, Layer: layer, LayerFrom: "default",
		Tensor: w.Info.Name, Type: w.Info.Type.String(), Shape: w.Info.Shape(), TensorBytes: w.Info.Size,
		Requests: len(cfg.Requests), Covariance: string(h.Covariance), Warnings: []string{}}
	switch {
	case cfg.Locate != nil:
		p.LayerFrom = "trace" // it is not run: the default stands in for its layer
	case len(h.Layers) > 0:
		p.LayerFrom = "asked"
	case h.Auto:
		p.LayerFrom = "auto"
	}
	if err := p.rows(s); err != nil {
		return nil, err
	}
	if err := p.sizes(s, layer); err != nil {
		return nil, err
	}
	rate, err := s.rate(ctx)
	if err != nil {
		return nil, err
	}
	// A step is a forward pass and a backward pass of about its cost.
	p.Seconds = float64(p.Requests) * float64(p.Tokens*h.Steps) * 2 / rate
	if p.StatsKeys > 0 && !p.StatsCached {
		p.StatsTime = float64(p.StatsKeys) / rate * float64(layer+1) / float64(s.info.Layers)
		if cfg.Corpus == "" {
			p.StatsTime += float64(p.StatsKeys) / rate * 4 // one token a time, rows side by side
		}
	}
	p.Warnings = append(p.Warnings, cfg.warnings...)
	return p, nil
}

// rows checks the requests and counts the tokens of a step.
func (p *Plan) rows(s *session) error {
	h := s.cfg.HParams
	for _, r := range s.cfg.Requests {
		f, err := r.Resolve()
		if err != nil {
			return err
		}
		span, err := fact.Tokenize(s.model, f, "", f.New)
		if err != nil {
			return err
		}
		n := len(span.Tokens)
		for _, l := range h.PrefixLengths {
			n += l[1] * (l[0] + 2 + len(span.Tokens))
		}
		frames, err := contexts.Conversations(s.model, h.Chat)
		if err != nil {
			return err
		}
		for _, fr := range frames {
			span, err := fact.TokenizeIn(s.model, f, fr, f.New)
			if err != nil {
				return err
			}
			n += len(span.Tokens) - span.Subject // what stands before is computed once
		}
		p.Tokens = max(p.Tokens, n+span.Subject+4)
	}
	return nil
}

// sizes fills in what is stored.
func (p *Plan) sizes(s *session, layer int) error {
	n := s.info.FeedForward[layer]
	switch s.cfg.HParams.Covariance {
	case covariance.KindIdentity:
	case covariance.KindDiagonal:
		if s.cfg.Imatrix == "" {
			p.StatsKeys = s.cfg.keys(n)
		}
	default:
		p.StatsKeys, p.StatsBytes = s.cfg.keys(n), covariance.Bytes(n)
		key, err := s.stats.key(layer, n)
		if err != nil {
			return err
		}
		if c, err := covariance.Open(s.stats.path(key), key, n); err == nil {
			p.StatsCached = true
			c.Close()
		}
	}
	if s.cfg.Output != "" {
		p.OutputBytes = s.file.Size()
	}
	if s.cfg.LoRA != "" {
		p.LoRABytes = int64(4*(n+s.info.Width)*p.Requests) + 4096
	}
	p.MemoryBytes = int64(min(sideMemory, 4*sideWindow*s.info.Vocab)) + 2*p.TensorBytes
	if !p.StatsCached {
		p.MemoryBytes += p.StatsBytes
	}
	return nil
}

// rate is how many tokens a second the model reads.
func (s *session) rate(ctx context.Context) (float64, error) {
	all, err := s.model.Tokenize(neutral.Text(), false)
	if err != nil {
		return 0, err
	}
	tokens := lm.IDs(all[:min(len(all), 64)])
	row := []lm.Scored{{Tokens: tokens, From: len(tokens) - 1}}
	if _, err := s.model.LogProbs(ctx, row); err != nil { // the first time is slower
		return 0, err
	}
	start := time.Now()
	if _, err := s.model.LogProbs(ctx, row); err != nil {
		return 0, err
	}
	return float64(len(tokens)) / max(1e-6, time.Since(start).Seconds()), nil
}
