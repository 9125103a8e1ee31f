package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"retcon/engine"
	"retcon/llama"
	"retcon/trace"
	"retcon/trace/hypothesis"
)

// hypothesisResult is what the measurements of the storage hypothesis gave on a
// prompt, nil for one that was left out.
type hypothesisResult struct {
	Memory   *hypothesis.MemoryResult   `json:"memory,omitempty"`
	Knockout *hypothesis.KnockoutResult `json:"knockout,omitempty"`
	Layers   *hypothesis.LayersResult   `json:"layers,omitempty"`
	LeftOut  []string                   `json:"left_out,omitempty"` // which, and why
}

// detail is how much of a prompt's FFN memory is kept.
type detail struct{ tokens, neurons int }

var (
	hypothesisDetail = detail{tokens: 10, neurons: 5}
	averageDetail    = detail{tokens: 1}
)

// hypothesisTest measures prompts of a model.
type hypothesisTest struct {
	model   *engine.Model
	text    string // whose perplexity is measured; empty is the neutral one
	noText  bool
	update  func(stage string, done, total int)
	threads int
}

func (a *app) hypothesisTest(m *engine.Model, text string) *hypothesisTest {
	t := &hypothesisTest{model: m, text: text, threads: m.Info().Threads, update: func(string, int, int) {}}
	if !a.quiet {
		t.update = func(stage string, done, total int) { a.bar.Update(stage, int64(done), int64(total)) }
	}
	return t
}

// readText reads --text, empty without it.
func (f *traceFlags) readText() (string, error) {
	if f.text == "" {
		return "", nil
	}
	return readText(f.text)
}

// textName identifies a text in results.
func textName(text string) string {
	if text == "" {
		return "neutral text"
	}
	return fmt.Sprintf("text %.6x", sha256.Sum256([]byte(text)))
}

// run measures a prompt. A part that the prompt or the model's architecture
// does not allow is left out; the error is the last one's if none is left.
func (t *hypothesisTest) run(ctx context.Context, p trace.Prompt, d detail) (*hypothesisResult, error) {
	m, out := t.model.Llama(), &hypothesisResult{}
	progress := func(stage string) func(int, int) {
		return func(done, total int) { t.update(stage, done, total) }
	}
	parts := []struct {
		name string
		run  func() error
	}{
		{"FFN memory", func() (err error) {
			out.Memory, err = hypothesis.Memory(ctx, m, p, t.threads, hypothesis.MemoryConfig{Top: d.tokens, Neurons: d.neurons, Progress: progress("reading FFNs")})
			return err
		}},
		{"attention knock-out", func() (err error) {
			out.Knockout, err = hypothesis.Knockout(ctx, m, p, t.threads, hypothesis.KnockoutConfig{Progress: progress("cutting attention")})
			return err
		}},
		{"exchanged and dropped layers", func() error {
			cfg := hypothesis.LayersConfig{NoText: t.noText, Progress: progress("exchanging layers")}
			var err error
			if !t.noText {
				if cfg.Text, err = hypothesis.TextTokens(m, t.text); err != nil {
					return fmt.Errorf("--text: %w", err)
				}
			}
			out.Layers, err = hypothesis.Layers(ctx, m, p, t.threads, cfg)
			return err
		}},
	}
	var last error
	for _, part := range parts {
		err := part.run()
		if errors.Is(err, trace.ErrPrompt) || errors.Is(err, llama.ErrUnsupported) {
			out.LeftOut = append(out.LeftOut, fmt.Sprintf("%s left out: %v", part.name, err))
			last = err
		} else if err != nil {
			return nil, err
		}
	}
	if len(out.LeftOut) == len(parts) {
		return nil, last
	}
	return out, nil
}
