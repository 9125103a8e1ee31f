package trace

import (
	"fmt"
	"slices"

	"retcon/llama"
)

// Swap is the prompt with another subject in the place of its own, for
// symmetric token replacement (Corruption.Tokens). It must have as many tokens,
// the subject's in the same place and all others the same; errors wrap
// ErrPrompt. The prompt must be one of NewPrompt.
func (p Prompt) Swap(m *llama.Model, other string) (Prompt, error) {
	subject := p.Text[p.bytes[0]:p.bytes[1]]
	switch {
	case subject == "":
		return p, fmt.Errorf("%w: the prompt's subject is not known", llama.ErrInvalid)
	case other == "":
		return p, fmt.Errorf("%w: the subject to swap in is empty", ErrPrompt)
	case other == subject:
		return p, fmt.Errorf("%w: the subject to swap in is the prompt's own, %q", ErrPrompt, subject)
	}
	q, err := tokenise(m, p.Text[:p.bytes[0]]+other+p.Text[p.bytes[1]:], p.bytes[0], len(other))
	if err != nil {
		return q, err
	}
	if q.End-q.Begin != p.End-p.Begin {
		return q, fmt.Errorf("%w: %q has %s here and %q has %s: swap in a subject of as many", ErrPrompt, subject, p.size(), other, q.size())
	}
	same := len(p.Tokens) == len(q.Tokens) && p.Begin == q.Begin &&
		slices.Equal(p.Tokens[:p.Begin], q.Tokens[:q.Begin]) && slices.Equal(p.Tokens[p.End:], q.Tokens[q.End:])
	if !same {
		return q, fmt.Errorf("%w: with %q for %q (%s each) the prompt's other tokens change: swap in another subject", ErrPrompt, other, subject, p.size())
	}
	return q, nil
}

// size counts the subject's tokens in words.
func (p Prompt) size() string {
	if p.End-p.Begin == 1 {
		return "1 token"
	}
	return fmt.Sprintf("%d tokens", p.End-p.Begin)
}

// Next is the first token of a text that follows the prompt, spaces as given: a
// foil, say.
func (p Prompt) Next(m *llama.Model, text string) (int32, error) {
	all, err := m.Tokenize(p.Text+text, false)
	if err != nil {
		return 0, err
	}
	if len(all) <= len(p.Tokens) {
		return 0, fmt.Errorf("%w: no token of %q follows the prompt", ErrPrompt, text)
	}
	for i, t := range p.Tokens {
		if all[i].ID != t {
			return 0, fmt.Errorf("%w: %q does not follow the prompt in tokens of its own", ErrPrompt, text)
		}
	}
	return all[len(p.Tokens)].ID, nil
}
