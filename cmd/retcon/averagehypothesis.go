package main

import (
	"context"
	"encoding/json"
	"fmt"

	"retcon/trace"
	"retcon/trace/average"
	"retcon/trace/hypothesis"
)

// factTest tests the hypothesis on a fact.
type factTest func(ctx context.Context, p trace.Prompt) (*hypothesisResult, error)

// factTest measures each fact's prompt, and the text with the first of them: its
// perplexity is the same for all.
func (a *app) factTest(r *averageRun) factTest {
	test := a.hypothesisTest(r.model, r.text)
	test.update = func(string, int, int) {} // the facts are what is counted
	for _, rec := range r.results.Records {
		if h, err := parseHypothesis(rec); err == nil && h.hasText() {
			test.noText = true
		}
	}
	return func(ctx context.Context, p trace.Prompt) (*hypothesisResult, error) {
		h, err := test.run(ctx, p, averageDetail)
		if err == nil && h.hasText() {
			test.noText = true
		}
		return h, err
	}
}

func (h *hypothesisResult) hasText() bool {
	return h != nil && h.Layers != nil && h.Layers.TextTokens > 0
}

// fact is what the measurements found the model to answer.
func (h *hypothesisResult) fact() hypothesis.Fact {
	switch {
	case h.Memory != nil:
		return h.Memory.Fact
	case h.Knockout != nil:
		return h.Knockout.Fact
	}
	return h.Layers.Fact
}

// askedRecord is a record without a trace: nothing was corrupted.
func askedRecord(r average.Record, f hypothesis.Fact) average.Record {
	r.Status = average.Traced
	r.Tokens, r.Range, r.First = f.Tokens, f.Subject, f.Answer
	r.PClean, r.PCorrupted = f.PClean, f.PClean
	return r
}

// parseHypothesis reads what was measured of a fact; nil where nothing was.
func parseHypothesis(r average.Record) (*hypothesisResult, error) {
	if r.Hypothesis == nil {
		return nil, nil
	}
	h := &hypothesisResult{}
	if err := json.Unmarshal(r.Hypothesis, h); err != nil {
		return nil, fmt.Errorf("%w: record %d: its hypothesis: %w", average.ErrResults, r.Record, err)
	}
	return h, nil
}

// hypothesisAverage are the means over facts, nil for a part that fewer than
// two facts have.
type hypothesisAverage struct {
	Memory   *hypothesis.MemoryAverage   `json:"memory,omitempty"`
	Knockout *hypothesis.KnockoutAverage `json:"knockout,omitempty"`
	Layers   *hypothesis.LayersAverage   `json:"layers,omitempty"`
}

// averageHypothesis averages what records have; nil where they have nothing.
func averageHypothesis(records []average.Record) (*hypothesisAverage, []string, error) {
	var memory []*hypothesis.MemoryResult
	var knockout []*hypothesis.KnockoutResult
	var layers []*hypothesis.LayersResult
	leftOut, last := 0, ""
	any := false
	for _, r := range records {
		h, err := parseHypothesis(r)
		if err != nil {
			return nil, nil, err
		}
		if h == nil {
			continue
		}
		any = true
		if h.Memory != nil {
			memory = append(memory, h.Memory)
		}
		if h.Knockout != nil {
			knockout = append(knockout, h.Knockout)
		}
		if h.Layers != nil {
			layers = append(layers, h.Layers)
		}
		if len(h.LeftOut) > 0 {
			leftOut, last = leftOut+1, h.LeftOut[0]
		}
	}
	if !any {
		return nil, nil, nil
	}
	var warnings []string
	if leftOut > 0 {
		warnings = append(warnings, fmt.Sprintf("parts of the hypothesis were not measured on %d facts: %s", leftOut, last))
	}
	out := &hypothesisAverage{}
	var err error
	if len(memory) > 1 {
		if out.Memory, err = hypothesis.AverageMemory(memory); err != nil {
			return nil, nil, err
		}
	}
	if len(knockout) > 1 {
		if out.Knockout, err = hypothesis.AverageKnockout(knockout); err != nil {
			return nil, nil, err
		}
	}
	if len(layers) > 1 {
		if out.Layers, err = hypothesis.AverageLayers(layers); err != nil {
			return nil, nil, err
		}
	}
	if min(len(memory), len(knockout), len(layers)) < 2 {
		warnings = append(warnings, "averages of the hypothesis take two facts that the model gets right")
	}
	return out, warnings, nil
}
