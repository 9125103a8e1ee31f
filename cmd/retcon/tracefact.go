package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"retcon/engine"
	"retcon/llama"
	"retcon/trace"
	"retcon/trace/average"
)

// factTracer asks the model for a fact, and traces it and tests the hypothesis
// on it if the answer is right.
func (r *averageRun) factTracer(t *trace.Tracer, test factTest) average.Tracer {
	return func(ctx context.Context, fact average.Fact) (average.Record, error) {
		rec, err := r.traceFact(ctx, t, test, fact)
		if errors.Is(err, llama.ErrUnsupported) { // of the model, not of this fact
			err = fmt.Errorf("%w: %w", average.ErrStop, err)
		}
		return rec, err
	}
}

func (r *averageRun) traceFact(ctx context.Context, tracer *trace.Tracer, test factTest, fact average.Fact) (average.Record, error) {
	m := r.model
	p, err := trace.NewPrompt(m.Llama(), fact.Prompt, fact.Subject)
	if err != nil {
		return average.Record{}, err
	}
	first, said, err := continuation(ctx, m, p.Tokens, fact.Answer)
	if err != nil {
		return average.Record{}, err
	}
	rec := average.Record{Status: average.Wrong, Said: said}
	if !average.Right(fact.Answer, first, said) {
		return rec, nil
	}
	traced := rec
	if r.traces() {
		cfg, _, err := r.config(r.hide, p, fact.SubjectSwap)
		if err != nil {
			return rec, err
		}
		t, err := tracer.Run(ctx, p, cfg)
		if err != nil {
			return rec, err
		}
		if d := t.LogitDifference; d != nil && d.Foil == t.Answer {
			return rec, fmt.Errorf("%w: the model answers %q with %q as the subject too: swap in a subject with another answer", trace.ErrPrompt, strings.TrimSpace(t.Answer), fact.SubjectSwap)
		}
		traced = tracedRecord(rec, t)
	}
	if r.traceFlags.hypothesis {
		h, err := test(ctx, p)
		if err != nil {
			return rec, err
		}
		if !r.traces() {
			traced = askedRecord(rec, h.fact())
		}
		if traced.Hypothesis, err = json.Marshal(h); err != nil {
			return rec, err
		}
	}
	// Runs in one batch round differently: of two likeliest tokens the traced
	// one may be the other.
	if !average.Right(fact.Answer, traced.First, said) {
		return rec, nil
	}
	return traced, nil
}

// continuation is the greedy continuation of a prompt, long enough to tell
// whether it is the answer, and its first token.
func continuation(ctx context.Context, m *engine.Model, prompt []int32, answer string) (first, text string, err error) {
	tokens, err := m.Llama().Tokenize(" "+answer, false)
	if err != nil {
		return "", "", err
	}
	// One more shows where a word ends; the model may also spell it in more.
	made, err := m.Generate(ctx, [][]int32{prompt}, len(tokens)+2, 1, 0, true)
	if err != nil || len(made[0]) == 0 {
		return "", "", err
	}
	return m.Llama().Text(made[0][:1]), m.Llama().Text(made[0]), nil
}

// tracedRecord puts a trace into a record.
func tracedRecord(r average.Record, t *trace.Result) average.Record {
	r.Status = average.Traced
	r.Tokens, r.Range, r.First = t.Tokens, t.Subject, t.Answer
	r.PClean, r.PCorrupted = t.PClean, t.PCorrupted
	r.Grids = t.Grids
	if d := t.LogitDifference; d != nil {
		r.Logit = &d.Measure
	}
	return r
}
