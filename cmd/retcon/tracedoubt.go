package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"retcon/engine"
	"retcon/trace"
	"retcon/trace/doubt"
)

// saidTokens is how much of a model's continuation is read to tell how its answer
// goes on.
const saidTokens = 8

// doubt adds why the result may mean nothing to its warnings, before those that
// are there, and what the model says to its trace.
func (r *traceResult) doubt(ctx context.Context, m *engine.Model, p trace.Prompt) error {
	var doubts []doubt.Doubt
	switch {
	case r.Result != nil:
		said, err := continuation(ctx, m, p, r.AnswerToken)
		if err != nil {
			return err
		}
		r.Said = said
		doubts = doubt.OfTrace(m, p, r.Result, said)
	case r.Hypothesis != nil:
		asked := r.Hypothesis.Asked()
		said, err := continuation(ctx, m, p, asked.AnswerToken)
		if err != nil {
			return err
		}
		doubts = doubt.OfAnswer(m, p, asked, said)
	}
	r.Warnings = slices.Concat(doubt.Texts(doubts), r.foilWarnings(), r.Warnings)
	return nil
}

// continuation is what the model says from an answer's first token on; empty where
// it ends there, or its context has no room for more.
func continuation(ctx context.Context, m *engine.Model, p trace.Prompt, answer int32) (string, error) {
	if m.EndsText(answer) || len(p.Tokens)+saidTokens > m.Info().Context {
		return "", nil
	}
	begun := append(slices.Clone(p.Tokens), answer)
	made, err := m.Generate(ctx, [][]int32{begun}, saidTokens-1, 1, 0, true)
	if err != nil {
		return "", err
	}
	return m.Text(append([]int32{answer}, made[0]...)), nil
}

// foilWarnings say that a logit difference compares the answer with itself.
func (r *traceResult) foilWarnings() []string {
	if r.Result == nil || r.LogitDifference == nil || r.LogitDifference.Foil != r.Answer {
		return nil
	}
	if r.SubjectSwap != "" {
		return []string{fmt.Sprintf("the model answers %q with %q as the subject too: the swap hides nothing of it, and there is no logit difference; swap in a subject with another answer", strings.TrimSpace(r.Answer), r.SubjectSwap)}
	}
	return []string{fmt.Sprintf("the foil %q is the answer itself: there is no logit difference", strings.TrimSpace(r.LogitDifference.Foil))}
}
