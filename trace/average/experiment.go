package average

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"retcon/fact"
	"retcon/lm"
	"retcon/trace/doubt"
	"retcon/trace/result"
)

// Model is a model whose facts are traced, as far as asking it goes.
type Model interface {
	lm.Vocabulary
	lm.Generator
}

// Experiment is what is done with a fact that a model gets right: at least one of
// the two.
type Experiment struct {
	// Trace traces a prompt. swap is the subject that takes the subject's place
	// where subjects are swapped.
	Trace func(ctx context.Context, p fact.Prompt, swap string) (*result.Trace, error)
	// Test measures something else of a prompt.
	Test func(ctx context.Context, p fact.Prompt) (Finding, error)
	// Literal reads control tokens that are written in prompts as letters.
	Literal bool
}

// Finding is what a test gave. A record keeps it as JSON, in Record.Hypothesis.
type Finding interface {
	// Asked is what the model answered in it.
	Asked() result.Answer
}

// Tracer asks the model for a fact, and does the experiment on it if the answer
// is right. An [lm.ErrUnsupported] is of the model and not of one fact: the error
// wraps ErrStop.
func (x Experiment) Tracer(m Model) Tracer {
	return func(ctx context.Context, f Fact) (Record, error) {
		rec, err := x.on(ctx, m, f)
		if errors.Is(err, lm.ErrUnsupported) {
			err = fmt.Errorf("%w: %w", ErrStop, err)
		}
		return rec, err
	}
}

// on is the record of a fact. One without an answer is wrong where what the model
// says is no fact.
func (x Experiment) on(ctx context.Context, m Model, f Fact) (Record, error) {
	p, err := fact.Request{Prompt: f.Prompt, Subject: f.Subject, Literal: x.Literal}.InTokens(m)
	if err != nil {
		return Record{}, err
	}
	first, said, err := continuation(ctx, m, p.Tokens, f.Answer)
	if err != nil {
		return Record{}, err
	}
	rec := Record{Status: Wrong, Said: said}
	if !Right(f.Answer, first, said) || f.Answer == "" && doubt.NoAnswer(p.Text, first, said) {
		return rec, nil
	}
	done, err := x.done(ctx, m, p, f, rec)
	// Runs in one batch round differently: of two likeliest tokens the traced
	// one may be the other.
	if err != nil || !Right(f.Answer, done.First, said) {
		return rec, err
	}
	return done, nil
}

// done is the record of a fact that the model gets right.
func (x Experiment) done(ctx context.Context, m Model, p fact.Prompt, f Fact, rec Record) (Record, error) {
	if x.Trace != nil {
		t, err := x.Trace(ctx, p, f.SubjectSwap)
		if err != nil {
			return rec, err
		}
		if d := t.LogitDifference; d != nil && d.Foil == t.Answer {
			return rec, fmt.Errorf("%w: the model answers %q with %q as the subject too: swap in a subject with another answer", fact.ErrRequest, strings.TrimSpace(t.Answer), f.SubjectSwap)
		}
		rec = rec.traced(t)
		rec.Doubts = doubt.Kinds(doubt.OfTrace(m, p, t, rec.Said))
	}
	if x.Test == nil {
		return rec, nil
	}
	found, err := x.Test(ctx, p)
	if err != nil {
		return rec, err
	}
	if x.Trace == nil {
		rec = rec.asked(found.Asked())
		rec.Doubts = doubt.Kinds(doubt.OfAnswer(m, p, found.Asked(), rec.Said))
	}
	rec.Hypothesis, err = json.Marshal(found)
	return rec, err
}

// continuation is the greedy continuation of a prompt, long enough to tell
// whether it is the answer, and its first token.
func continuation(ctx context.Context, m Model, prompt []int32, answer string) (first, text string, err error) {
	tokens, err := m.Tokenize(" "+answer, false)
	if err != nil {
		return "", "", err
	}
	// One more shows where a word ends; the model may also spell it in more.
	made, err := m.Generate(ctx, [][]int32{prompt}, len(tokens)+2, 1, 0, true)
	if err != nil || len(made[0]) == 0 {
		return "", "", err
	}
	return m.Text(made[0][:1]), m.Text(made[0]), nil
}

// traced is the record with a trace in it.
func (r Record) traced(t *result.Trace) Record {
	r.Status = Traced
	r.Tokens, r.TokensBytes, r.Range = t.Tokens, t.TokensBytes, t.Subject
	r.First, r.FirstBytes = t.Answer, t.AnswerBytes
	r.PClean, r.PCorrupted, r.Grids = t.PClean, t.PCorrupted, t.Grids
	if d := t.LogitDifference; d != nil {
		r.Logit = &d.Measure
	}
	return r
}

// asked is the record without a trace: nothing was corrupted.
func (r Record) asked(a result.Answer) Record {
	r.Status = Traced
	r.Tokens, r.TokensBytes, r.Range = a.Tokens, a.TokensBytes, a.Subject
	r.First, r.FirstBytes = a.Answer, a.AnswerBytes
	r.PClean, r.PCorrupted = a.PClean, a.PClean
	return r
}
