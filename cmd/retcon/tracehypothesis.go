package main

import (
	"context"
	"fmt"

	"retcon/engine"
	"retcon/internal/input"
	"retcon/trace"
	"retcon/trace/average"
	"retcon/trace/hypothesis"
)

// How much of a prompt's FFN memory is shown, and kept of each of many.
var (
	hypothesisDetail = hypothesis.Config{Top: 10, Neurons: 5}
	averageDetail    = hypothesis.Config{Top: 1}
)

// readText reads --text, empty without it.
func (f *traceFlags) readText(in *input.Inputs) (string, error) {
	if f.text == "" {
		return "", nil
	}
	return readText(in, f.text)
}

// hypothesis measures a prompt.
func (a *app) hypothesis(ctx context.Context, m *engine.Model, p trace.Prompt, text string) (*hypothesis.Results, error) {
	cfg := hypothesisDetail
	cfg.Threads, cfg.Text = m.Info().Threads, text
	if !a.quiet {
		cfg.Progress = func(stage string, done, total int) { a.bar.Update(stage, int64(done), int64(total)) }
	}
	return hypothesis.Run(ctx, m.Llama(), p, cfg)
}

// tester measures facts; the text is not measured again where records have it.
func (r *averageRun) tester() *hypothesis.Tester {
	cfg := averageDetail
	cfg.Threads, cfg.Text = r.model.Info().Threads, r.text
	var there []*hypothesis.Results
	for _, rec := range r.results.Records {
		if h, err := hypothesis.Parse(rec.Hypothesis); err == nil {
			there = append(there, h)
		}
	}
	return hypothesis.NewTester(r.model.Llama(), cfg, there...)
}

// averageHypothesis averages what records have; nil where they have nothing.
func averageHypothesis(records []average.Record) (*hypothesis.Averages, []string, error) {
	var all []*hypothesis.Results
	for _, rec := range records {
		h, err := hypothesis.Parse(rec.Hypothesis)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: record %d: %w", average.ErrResults, rec.Record, err)
		}
		all = append(all, h)
	}
	return hypothesis.Average(all)
}
