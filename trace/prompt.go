package trace

import (
	"retcon/fact"
	"retcon/lm"
)

// ErrPrompt reports a prompt, subject or setting that cannot be traced as
// written. It is [fact.ErrRequest].
var ErrPrompt = fact.ErrRequest

// Prompt is a prompt as tokens, and where its subject is in them.
type Prompt = fact.Prompt

// NewPrompt is a prompt with its subject, or {} in its place; see
// [fact.NewPrompt].
func NewPrompt(m lm.Vocabulary, prompt, subject string) (Prompt, error) {
	return fact.NewPrompt(m, prompt, subject)
}
