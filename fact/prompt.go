package fact

import (
	"fmt"
	"slices"
	"strings"

	"retcon/internal/fault"
	"retcon/lm"
)

// Prompt is a prompt as tokens, as a trace reads it, and where its subject is
// in them.
type Prompt struct {
	Text       string
	Tokens     []int32
	Begin, End int // tokens [Begin, End) hold text of the subject

	bytes   [2]int // of the subject in Text
	literal bool   // control tokens written in the text are letters
	ends    []int  // of the tokens in Text
}

// NewPrompt is the prompt with its subject, which [Place] puts or finds there.
// Its tokens are those that a target follows where it does not change them: see
// [Joint]. Control tokens that are written in it are read as such, as llama.cpp's
// programs do.
func NewPrompt(m lm.Vocabulary, prompt, subject string) (Prompt, error) {
	return Request{Prompt: prompt, Subject: subject}.InTokens(m)
}

// InTokens is the prompt of a request, which need not have a target, with its
// subject; see [NewPrompt].
func (r Request) InTokens(m lm.Vocabulary) (Prompt, error) {
	text, begin, end, err := Place(r.Prompt, r.Subject)
	if err != nil {
		return Prompt{}, err
	}
	return promptAt(m, Prompt{Text: text, bytes: [2]int{begin, end}, literal: r.Literal})
}

// InTokens is the fact's prompt as a trace reads it; see [NewPrompt].
func (f Fact) InTokens(m lm.Vocabulary) (Prompt, error) {
	return promptAt(m, Prompt{Text: f.Text, bytes: [2]int{f.Begin, f.End}, literal: f.Literal})
}

// promptAt splits a prompt and finds its subject's tokens.
func promptAt(m lm.Vocabulary, p Prompt) (Prompt, error) {
	text, begin, end := p.Text, p.bytes[0], p.bytes[1]
	tokens, err := lm.Split(m, p.text(text))
	if err != nil {
		return p, err
	}
	p.Tokens, p.ends = lm.IDs(tokens), endsOf(text, tokens)
	if p.Begin, p.End = over(tokens, begin, end); p.Begin < 0 {
		return p, fault.Errorf(ErrRequest, "no token of the prompt holds the subject %q", text[begin:end])
	}
	return p, nil
}

// Check refuses a prompt without its subject, and one of more tokens than a
// model's context has; errors wrap ErrRequest.
func (p Prompt) Check(context int) error {
	n := len(p.Tokens)
	if p.Begin < 0 || p.Begin >= p.End || p.End > n {
		return fault.Errorf(ErrRequest, "the subject's tokens [%d, %d) are not in a prompt of %d", p.Begin, p.End, n)
	}
	if n > context {
		return fault.Errorf(ErrRequest, "the prompt has %d tokens, the model's context %d", n, context)
	}
	return nil
}

// Swap is the prompt with another subject in the place of its own, for
// symmetric token replacement (arXiv 2309.16042). It must have as many tokens,
// the subject's in the same place and all others the same; errors wrap
// ErrRequest. The prompt must be one that NewPrompt
// or InTokens made.
func (p Prompt) Swap(m lm.Vocabulary, other string) (Prompt, error) {
	begin, end := p.bytes[0], p.bytes[1]
	subject, other := p.Text[begin:end], strings.TrimSpace(other)
	switch {
	case subject == "":
		return p, fault.Errorf(ErrRequest, "the prompt's subject is not known")
	case other == "":
		return p, fault.Errorf(ErrRequest, "the subject to swap in is empty")
	case other == subject:
		return p, fault.Errorf(ErrRequest, "the subject to swap in is the prompt's own, %q", subject)
	}
	if err := checkText(other); err != nil {
		return p, err
	}
	q, err := promptAt(m, Prompt{Text: p.Text[:begin] + other + p.Text[end:], bytes: [2]int{begin, begin + len(other)}, literal: p.literal})
	if err != nil {
		return q, err
	}
	if q.End-q.Begin != p.End-p.Begin {
		return q, fault.Errorf(ErrRequest, "%q has %s here and %q has %s: swap in a subject of as many", subject, p.size(), other, q.size())
	}
	same := len(p.Tokens) == len(q.Tokens) && p.Begin == q.Begin &&
		slices.Equal(p.Tokens[:p.Begin], q.Tokens[:q.Begin]) && slices.Equal(p.Tokens[p.End:], q.Tokens[q.End:])
	if !same {
		return q, fault.Errorf(ErrRequest, "with %q for %q (%s each) the prompt's other tokens change: swap in another subject", other, subject, p.size())
	}
	return q, nil
}

// text is text of the prompt as a model reads it.
func (p Prompt) text(s string) lm.Text { return lm.Text{{Text: s, Control: !p.literal}} }

// size counts the subject's tokens in words.
func (p Prompt) size() string {
	if p.End-p.Begin == 1 {
		return "1 token"
	}
	return fmt.Sprintf("%d tokens", p.End-p.Begin)
}

// Next is the first token of a text that follows the prompt, by [Joint], the
// space before it as given: a foil, say. It is refused where the prompt is split
// into other tokens before it.
func (p Prompt) Next(m lm.Vocabulary, text string) (int32, error) {
	if err := checkText(text); err != nil {
		return 0, err
	}
	tokens, n, err := Joint(m, p.text(p.Text), p.text(text))
	switch {
	case err != nil:
		return 0, err
	case n >= len(tokens):
		return 0, fault.Errorf(ErrRequest, "no token of %q follows the prompt", text)
	case !slices.Equal(lm.IDs(tokens[:n]), p.Tokens):
		return 0, fault.Errorf(ErrRequest, "%q does not follow the prompt in tokens of its own", text)
	}
	return tokens[n].ID, nil
}
