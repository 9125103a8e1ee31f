package main

import (
	"context"
	"errors"
	"fmt"

	"retcon/edit"
	"retcon/engine"
	"retcon/fact"
	"retcon/lm"
	"retcon/trace"
	"retcon/trace/result"
)

// What a trace for an edit adds to the subject's embeddings, and how often.
const (
	locateNoise   = 3 // deviations of the embedding table
	locateSamples = 10
)

// littleEffect is the effect below which it hardly tells layers apart.
const littleEffect = 0.02

// tracedLayer traces the FFN outputs of the requests and takes the layer with
// the largest mean effect at the subject's last token.
func tracedLayer(seed uint64, progress func(stage string, done, total int64)) edit.Locator {
	return func(ctx context.Context, model lm.Model, facts []fact.Fact) (*edit.Located, error) {
		m, ok := model.(*engine.Model)
		if !ok {
			return nil, fmt.Errorf("%w: this kind of model cannot be traced", lm.ErrUnsupported)
		}
		deviation, err := trace.EmbeddingDeviation(ctx, m.Info().Path)
		if err != nil {
			return nil, err
		}
		t := trace.New(m.Llama(), trace.Options{Threads: m.Info().Threads})
		defer t.Close()
		window := locateWindow(m.Info().Layers)
		sum := &effects{window: window, mean: make([]float64, m.Info().Layers)}
		for i, f := range facts {
			p, err := fact.PromptAt(m.Llama(), f.Text, f.Begin, f.End)
			if err == nil {
				level := locateNoise * deviation
				cfg := trace.Config{
					Corruption: trace.Corruption{Noise: trace.GaussianNoise(seed, locateSamples, p.End-p.Begin, m.Info().Width, level)},
					Level:      level, Window: window, MLP: true, Foil: trace.NoFoil,
				}
				if progress != nil {
					cfg.Progress = func(done, total int) {
						progress("tracing", int64(i*total+done), int64(len(facts)*total))
					}
				}
				var r *trace.Result
				if r, err = t.Run(ctx, p, cfg); err == nil {
					sum.add(r)
				}
			}
			if err != nil {
				return nil, asRequest(err)
			}
		}
		return sum.located(), nil
	}
}

// asRequest makes a prompt that cannot be traced a request that cannot be
// carried out.
func asRequest(err error) error {
	if errors.Is(err, trace.ErrPrompt) {
		return fmt.Errorf("%w: --layer trace: %w", fact.ErrRequest, err)
	}
	return fmt.Errorf("--layer trace: %w", err)
}

// locateWindow is a third of the layers, ten at most: as ROME's ten of GPT-2
// XL's 48, and less than the whole of a small model.
func locateWindow(layers int) int { return max(1, min(10, layers/3)) }

// effects are FFN effects at the subject's last token, summed over facts.
type effects struct {
	window           int
	mean             []float64 // by layer
	clean, corrupted float64
	facts            int
}

// add takes a trace into the means.
func (e *effects) add(r *trace.Result) {
	e.facts++
	n := float64(e.facts)
	e.clean += (r.PClean - e.clean) / n
	e.corrupted += (r.PCorrupted - e.corrupted) / n
	for l, p := range r.MLP[r.Subject[1]-1] {
		e.mean[l] += (p - r.PCorrupted - e.mean[l]) / n
	}
}

// located reads the layer off the means.
func (e *effects) located() *edit.Located {
	best := 0
	for l, v := range e.mean {
		if v > e.mean[best] {
			best = l
		}
	}
	begin, end := result.Window(best, e.window, len(e.mean))
	out := &edit.Located{
		Layer: middle(best, e.window, len(e.mean)), Window: [2]int{begin, end}, Effect: e.mean[best], Effects: e.mean,
		PClean: e.clean, PCorrupted: e.corrupted, Facts: e.facts,
		Caveat: "where a fact is recalled need not be where it is edited best (arXiv 2301.04213): compare with the default layer, or with --layer auto",
	}
	for l, v := range e.mean {
		if m := middle(l, e.window, len(e.mean)); m != out.Layer && (out.RunnerUp == nil || v > out.RunnerUp.Effect) {
			out.RunnerUp = &edit.RunnerUp{Layer: m, Effect: v}
		}
	}
	if out.Effect < littleEffect {
		out.Warnings = append(out.Warnings, fmt.Sprintf("FFN outputs at the subject's last token bring back %.2g of the answer's probability at most: the trace hardly tells layers apart", max(0, out.Effect)))
	}
	return out
}

// middle is the layer in the middle of the window around a layer, the later one
// of two.
func middle(layer, window, layers int) int {
	_, high := result.Centre(layer, window, layers)
	return high
}
