package doubt

import (
	"retcon/fact"
	"retcon/lm"
	"retcon/trace/result"
)

// OfTrace are the doubts of a trace of a prompt. said is the greedy continuation
// where it is known.
func OfTrace(m lm.Vocabulary, p fact.Prompt, r *result.Trace, said string) []Doubt {
	t := Traced{Prompt: p, Conversation: conversation(m, p), Answer: r.Answer, Said: said, Clean: r.PClean, Corrupted: r.PCorrupted}
	switch {
	case r.Noise > 0:
		t.Hidden = "noise"
	case r.LogitDifference == nil || r.LogitDifference.Foil != r.Answer: // which is said of the swap anyhow
		t.Hidden = "other subject"
	}
	return t.Doubts()
}

// OfAnswer are the doubts of what was measured without hiding anything.
func OfAnswer(m lm.Vocabulary, p fact.Prompt, a result.Answer, said string) []Doubt {
	t := Traced{Prompt: p, Conversation: conversation(m, p), Answer: m.Text([]int32{a.AnswerToken}), Said: said, Clean: a.PClean}
	return t.Doubts()
}

// conversation reports whether there are control tokens in a prompt, besides the
// one that may begin it.
func conversation(m lm.Vocabulary, p fact.Prompt) bool {
	for i, id := range p.Tokens {
		if i > 0 && m.Text([]int32{id}) == "" {
			return true
		}
	}
	return false
}

// Kinds are the kinds of doubts.
func Kinds(doubts []Doubt) []Kind {
	var out []Kind
	for _, d := range doubts {
		out = append(out, d.Kind)
	}
	return out
}
