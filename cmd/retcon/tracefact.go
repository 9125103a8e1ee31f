package main

import (
	"context"
	"errors"
	"fmt"

	"retcon/engine"
	"retcon/llama"
	"retcon/trace"
	"retcon/trace/average"
)

// factTracer asks the model for a fact, and traces it if the answer is right.
func (f *traceFlags) factTracer(t *trace.Tracer, m *engine.Model, noise noiseLevel) average.Tracer {
	return func(ctx context.Context, fact average.Fact) (average.Record, error) {
		r, err := f.traceFact(ctx, t, m, noise, fact)
		if errors.Is(err, llama.ErrUnsupported) { // of the model, not of this fact
			err = fmt.Errorf("%w: %w", average.ErrStop, err)
		}
		return r, err
	}
}

func (f *traceFlags) traceFact(ctx context.Context, tracer *trace.Tracer, m *engine.Model, noise noiseLevel, fact average.Fact) (average.Record, error) {
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
	t, err := f.tracePrompt(ctx, tracer, m, p, noise.figure, nil)
	if err != nil {
		return rec, err
	}
	// Runs in one batch round differently: of two likeliest tokens the traced
	// one may be the other.
	if !average.Right(fact.Answer, t.Answer, said) {
		return rec, nil
	}
	return tracedRecord(rec, t), nil
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
	r.Hidden, r.MLP, r.Attn = t.Hidden, t.MLP, t.Attn
	if s := t.Severed; s != nil {
		r.Severed = &average.Severed{Single: s.Single, MLPSevered: s.MLPSevered, AttnSevered: s.AttnSevered}
	}
	return r
}

// noiseLevel is the noise's standard deviation, and where it is from.
type noiseLevel struct {
	figure float64
	from   string
}

// noiseLevel measures the embeddings for a relative level: those of the
// subjects of facts, or all where there are none.
func (f *traceFlags) noiseLevel(ctx context.Context, m *llama.Model, level trace.Level, facts []average.Fact) (noiseLevel, error) {
	if !level.Relative {
		return noiseLevel{level.Value, "given"}, nil
	}
	if len(facts) == 0 {
		d, err := trace.EmbeddingDeviation(ctx, f.model)
		return noiseLevel{level.Value * d, fmt.Sprintf("%g times the deviation of the embedding table, %.4g", level.Value, d)}, err
	}
	var subjects []string
	for _, fact := range facts {
		subjects = append(subjects, fact.Subject)
	}
	tokens, err := trace.SubjectTokens(m, subjects)
	if err != nil {
		return noiseLevel{}, err
	}
	d, err := trace.SubjectDeviation(ctx, f.model, tokens)
	return noiseLevel{level.Value * d, fmt.Sprintf("%g times the deviation of the embeddings of %d subjects' %d tokens, %.4g", level.Value, len(subjects), len(tokens), d)}, err
}
