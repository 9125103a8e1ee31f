package trace

import (
	"fmt"

	"retcon/llama"
)

// Corruption is how the subject is hidden in each of the corrupted runs.
type Corruption struct {
	// Noise [sample][subject token x width] is added to the subject's
	// embeddings, or, with Replace, put in their place.
	Noise   [][]float32
	Replace bool
	// Tokens, if not nil, is another prompt of as many tokens whose subject
	// stands in the same place: the corrupted runs are runs of it (symmetric
	// token replacement, arXiv 2309.16042). There is one such run.
	Tokens []int32
}

// Samples is the number of corrupted runs.
func (c *Corruption) Samples() int {
	if c.Tokens != nil {
		return 1
	}
	return len(c.Noise)
}

// check finds a corruption that does not fit the prompt.
func (c *Corruption) check(p Prompt, width int) error {
	switch {
	case c.Tokens != nil && (len(c.Tokens) != len(p.Tokens) || c.Noise != nil):
		return fmt.Errorf("%w: a swapped prompt of %d tokens for one of %d", llama.ErrInvalid, len(c.Tokens), len(p.Tokens))
	case c.Samples() == 0:
		return fmt.Errorf("%w: a trace needs a corruption", llama.ErrInvalid)
	}
	for _, n := range c.Noise {
		if len(n) != (p.End-p.Begin)*width {
			return fmt.Errorf("%w: noise of %d values for %d tokens", llama.ErrInvalid, len(n), p.End-p.Begin)
		}
	}
	return nil
}

// apply corrupts a run's embeddings from the subject on.
func (c *Corruption) apply(embeddings []float32, sample int) {
	if c.Tokens != nil {
		return // other tokens have embeddings of their own
	}
	for i, v := range c.Noise[sample] {
		if c.Replace {
			embeddings[i] = v
		} else {
			embeddings[i] += v
		}
	}
}
