package hypothesis

import (
	"retcon/internal/logits"
	"retcon/llama"
	"retcon/lm"
	"retcon/trace"
	"retcon/trace/result"
)

// Fact is the prompt that a result is about and what the model answers.
type Fact = result.Answer

// newFact describes a prompt whose last row of logits [n_vocab] is given.
func newFact(m *llama.Model, p trace.Prompt, last []float32) Fact {
	f := Fact{Prompt: p.Text, Subject: [2]int{p.Begin, p.End}, AnswerToken: llama.Greedy(last)}
	f.Answer = m.Piece(f.AnswerToken, true)
	f.TokensBytes, f.AnswerBytes = p.Pieces(), lm.Fragment(f.Answer)
	f.PClean = logits.Probability(last, f.AnswerToken)
	for _, t := range p.Tokens {
		f.Tokens = append(f.Tokens, m.Piece(t, true))
	}
	return f
}

// cellsFor is the size of a context for so many tokens.
func cellsFor(tokens int) int { return (tokens + 255) / 256 * 256 }
