package main

import (
	"context"
	"fmt"

	"retcon/edit"
	"retcon/engine"
	"retcon/fact"
	"retcon/lm"
	"retcon/trace"
	"retcon/trace/locate"
)

// tracedLayer finds the layer of --layer trace.
func tracedLayer(seed uint64, progress func(stage string, done, total int64)) edit.Locator {
	return func(ctx context.Context, model lm.Model, facts []fact.Fact) (*edit.Located, error) {
		m, ok := model.(*engine.Model)
		if !ok {
			return nil, fmt.Errorf("%w: this kind of model cannot be traced", lm.ErrUnsupported)
		}
		var prompts []trace.Prompt
		for _, f := range facts {
			p, err := f.InTokens(m)
			if err != nil {
				return nil, fmt.Errorf("--layer trace: %w", err)
			}
			prompts = append(prompts, p)
		}
		cfg := locate.Config{Seed: seed, Threads: m.Info().Threads, Memory: m.Memory()}
		if progress != nil {
			cfg.Progress = func(done, total int64) { progress("tracing", done, total) }
		}
		l, err := locate.Layer(ctx, m.Llama(), prompts, cfg)
		if err != nil {
			return nil, fmt.Errorf("--layer trace: %w", err)
		}
		return located(l), nil
	}
}

// located is a layer as an edit reports it.
func located(l *locate.Located) *edit.Located {
	out := &edit.Located{
		Layer: l.Layer, Window: l.Window, Effect: l.Effect, Effects: l.Effects, PClean: l.PClean, PCorrupted: l.PCorrupted,
		Facts: l.Prompts, Warnings: l.Warnings,
		Caveat: locate.Caveat + ": compare with the default layer, or with --layer auto",
	}
	if next := l.RunnerUp; next != nil {
		out.RunnerUp = &edit.RunnerUp{Layer: next.Layer, Effect: next.Effect}
	}
	return out
}
