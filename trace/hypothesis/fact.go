package hypothesis

import (
	"fmt"

	"retcon/internal/logits"
	"retcon/llama"
	"retcon/trace"
	"retcon/trace/result"
)

// Fact is the prompt that a result is about and what the model answers.
type Fact = result.Answer

// newFact describes a prompt whose last row of logits [n_vocab] is given.
func newFact(m *llama.Model, p trace.Prompt, last []float32) Fact {
	f := Fact{Prompt: p.Text, Subject: [2]int{p.Begin, p.End}, AnswerToken: llama.Greedy(last)}
	f.Answer = m.Piece(f.AnswerToken, true)
	f.PClean = logits.Probability(last, f.AnswerToken)
	for _, t := range p.Tokens {
		f.Tokens = append(f.Tokens, m.Piece(t, true))
	}
	return f
}

// checkPrompt refuses what no part can work on.
func checkPrompt(m *llama.Model, p trace.Prompt) error {
	n := len(p.Tokens)
	if p.Begin < 0 || p.Begin >= p.End || p.End > n {
		return fmt.Errorf("%w: the subject's tokens [%d,%d) are not in a prompt of %d", trace.ErrPrompt, p.Begin, p.End, n)
	}
	if most := m.Info().ContextTrain; n > most {
		return fmt.Errorf("%w: the prompt has %d tokens, the model's context %d", trace.ErrPrompt, n, most)
	}
	return nil
}

// cellsFor is the size of a context for so many tokens.
func cellsFor(tokens int) int { return (tokens + 255) / 256 * 256 }

// percent writes a probability for a sentence.
func percent(p float64) string {
	switch {
	case p >= 0.0995:
		return fmt.Sprintf("%.0f %%", 100*p)
	case p >= 0.00095:
		return fmt.Sprintf("%.1f %%", 100*p)
	case p > 0:
		return fmt.Sprintf("%.0e", p)
	}
	return "0 %"
}

// figure writes a figure for a sentence, with three digits where that is
// shorter.
func figure(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.1e", x)
	case x >= 1000:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// span names layers [begin, end).
func span(begin, end int) string {
	if end-begin == 1 {
		return fmt.Sprintf("layer %d", begin)
	}
	return fmt.Sprintf("layers %d-%d", begin, end-1)
}
