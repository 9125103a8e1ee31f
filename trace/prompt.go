package trace

import (
	"errors"
	"fmt"
	"strings"

	"retcon/llama"
)

// ErrPrompt reports a prompt or subject that cannot be traced as written.
var ErrPrompt = errors.New("bad request")

// Prompt is a tokenised prompt and the tokens of its subject.
type Prompt struct {
	Text       string
	Tokens     []int32
	Begin, End int // tokens [Begin, End) overlap the subject
}

// NewPrompt tokenises text jointly and finds the subject's tokens by the bytes
// that they stand for.
func NewPrompt(m *llama.Model, text, subject string) (Prompt, error) {
	p := Prompt{Text: text, Begin: -1}
	at := strings.Index(text, subject)
	switch {
	case subject == "":
		return p, fmt.Errorf("%w: the subject is empty", ErrPrompt)
	case at < 0:
		return p, fmt.Errorf("%w: the subject %q is not in the prompt %q", ErrPrompt, subject, text)
	}
	tokens, err := m.Tokenize(text, false)
	if err != nil {
		return p, err
	}
	for i, t := range tokens {
		p.Tokens = append(p.Tokens, t.ID)
		if t.End > at && t.Begin < at+len(subject) {
			if p.Begin < 0 {
				p.Begin = i
			}
			p.End = i + 1
		}
	}
	if p.Begin < 0 {
		return p, fmt.Errorf("%w: no token holds the subject %q", ErrPrompt, subject)
	}
	return p, nil
}
