package hypothesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"retcon/llama"
	"retcon/trace"
)

// Config says how prompts are measured. The zero value will do.
type Config struct {
	Threads int // 0: all processors
	// Top and Neurons are how much is kept of a prompt's FFN memory; see
	// MemoryConfig.
	Top, Neurons int
	// Text is what perplexity is measured on; "" is a text on everyday matters.
	Text string
	// NoText leaves perplexity out; see LayersConfig.
	NoText bool
	// Progress, if not nil, is told how much of a part is done.
	Progress func(stage string, done, total int)
}

// Results are what all parts gave on a prompt, nil for one that was left out.
type Results struct {
	Memory   *RecallResult   `json:"memory,omitempty"`
	Knockout *KnockoutResult `json:"knockout,omitempty"`
	Layers   *LayersResult   `json:"layers,omitempty"`
	LeftOut  []string        `json:"left_out,omitempty"` // which, and why
}

// part is one of the measurements, and what it does while it runs.
type part struct {
	name, stage string
	run         func(progress func(done, total int)) error
}

// Run measures a prompt. A part that the prompt or the model's architecture does
// not allow is left out; the error is the last one's if none is left.
func Run(ctx context.Context, m *llama.Model, p trace.Prompt, cfg Config) (*Results, error) {
	out := &Results{}
	err := out.run(cfg.Progress, []part{
		{"FFN memory", "reading FFNs", func(progress func(int, int)) (err error) {
			out.Memory, err = Recall(ctx, m, p, cfg.Threads, RecallConfig{Top: cfg.Top, Neurons: cfg.Neurons, Progress: progress})
			return err
		}},
		{"attention knock-out", "cutting attention", func(progress func(int, int)) (err error) {
			out.Knockout, err = Knockout(ctx, m, p, cfg.Threads, KnockoutConfig{Progress: progress})
			return err
		}},
		{"exchanged and dropped layers", "exchanging layers", func(progress func(int, int)) (err error) {
			layers := LayersConfig{NoText: cfg.NoText, Progress: progress}
			if !cfg.NoText {
				if layers.Text, err = TextTokens(m, cfg.Text); err != nil {
					return err
				}
			}
			out.Layers, err = Layers(ctx, m, p, cfg.Threads, layers)
			return err
		}},
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// run runs the parts and notes which were left out.
func (r *Results) run(progress func(stage string, done, total int), parts []part) error {
	var last error
	for _, x := range parts {
		err := x.run(func(done, total int) {
			if progress != nil {
				progress(x.stage, done, total)
			}
		})
		switch {
		case errors.Is(err, trace.ErrPrompt), errors.Is(err, llama.ErrUnsupported):
			r.LeftOut = append(r.LeftOut, fmt.Sprintf("%s left out: %v", x.name, err))
			last = err
		case err != nil:
			return err
		}
	}
	if len(r.LeftOut) == len(parts) {
		return last
	}
	return nil
}

// Asked is what the model answers to the prompt, as the first part found it that
// was not left out.
func (r *Results) Asked() Fact {
	switch {
	case r.Memory != nil:
		return r.Memory.Fact
	case r.Knockout != nil:
		return r.Knockout.Fact
	case r.Layers != nil:
		return r.Layers.Fact
	}
	return Fact{}
}

// HasText reports whether the perplexity of a text is among the results; r may
// be nil.
func (r *Results) HasText() bool { return r != nil && r.Layers != nil && r.Layers.TextTokens > 0 }

// Parse reads results from their JSON; nil from none.
func Parse(data []byte) (*Results, error) {
	if data == nil {
		return nil, nil
	}
	r := &Results{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("the results of a test of the hypothesis: %w", err)
	}
	return r, nil
}

// Tester measures many prompts of a model, and the text with the first of them:
// its perplexity is the same for all.
type Tester struct {
	model *llama.Model
	cfg   Config
}

// NewTester is a Tester that goes on after those results that are there.
func NewTester(m *llama.Model, cfg Config, there ...*Results) *Tester {
	for _, r := range there {
		cfg.NoText = cfg.NoText || r.HasText()
	}
	return &Tester{m, cfg}
}

// Run measures a prompt; see [Run].
func (t *Tester) Run(ctx context.Context, p trace.Prompt) (*Results, error) {
	r, err := Run(ctx, t.model, p, t.cfg)
	if err != nil {
		return nil, err
	}
	t.cfg.NoText = t.cfg.NoText || r.HasText()
	return r, nil
}
