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

	bytes [2]int // of the subject in Text
}

// NewPrompt tokenises a prompt jointly and finds the subject's tokens by the
// bytes that they stand for. The prompt holds the subject once, or {} in its
// place.
func NewPrompt(m *llama.Model, prompt, subject string) (Prompt, error) {
	text, at, err := place(prompt, subject)
	if err != nil {
		return Prompt{Text: text, Begin: -1}, err
	}
	return tokenise(m, text, at, len(subject))
}

// tokenise finds the tokens of a subject of so many bytes.
func tokenise(m *llama.Model, text string, at, size int) (Prompt, error) {
	p := Prompt{Text: text, Begin: -1, bytes: [2]int{at, at + size}}
	tokens, err := m.Tokenize(text, false)
	if err != nil {
		return p, err
	}
	for i, t := range tokens {
		p.Tokens = append(p.Tokens, t.ID)
		if t.End > at && t.Begin < at+size {
			if p.Begin < 0 {
				p.Begin = i
			}
			p.End = i + 1
		}
	}
	if p.Begin < 0 {
		return p, fmt.Errorf("%w: no token holds the subject %q", ErrPrompt, text[at:at+size])
	}
	return p, nil
}

// place puts the subject into the prompt and gives the byte where it begins.
func place(prompt, subject string) (text string, at int, err error) {
	const slot = "{}"
	if subject == "" {
		return prompt, 0, fmt.Errorf("%w: the subject is empty", ErrPrompt)
	}
	if before, after, ok := strings.Cut(prompt, slot); ok {
		return before + subject + after, len(before), nil
	}
	switch at = strings.Index(prompt, subject); {
	case at < 0:
		err = fmt.Errorf("%w: the subject %q is not in the prompt %q: write it as it stands there, or put {} in its place", ErrPrompt, subject, prompt)
	case strings.Contains(prompt[at+1:], subject):
		err = fmt.Errorf("%w: the subject %q is in the prompt more than once: put {} in the place that is meant", ErrPrompt, subject)
	}
	return prompt, at, err
}
