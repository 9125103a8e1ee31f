package fact

import (
	"slices"
	"strings"

	"retcon/lm"
)

// text is text of the request as a model reads it.
func (r Request) text(s string) lm.Text { return lm.Text{{Text: s, Control: !r.Literal}} }

// ControlTokens are the control tokens that are written in texts of a request and
// that the model reads as such, each once, as they are written.
func (r Request) ControlTokens(v lm.Vocabulary, texts ...string) ([]string, error) {
	var out []string
	if r.Literal {
		return nil, nil
	}
	for _, text := range texts {
		tokens, err := v.Tokenize(text, true)
		if err != nil {
			return nil, err
		}
		for _, t := range tokens {
			if lm.IsControl(v, t) && !slices.Contains(out, text[t.Begin:t.End]) {
				out = append(out, text[t.Begin:t.End])
			}
		}
	}
	return out, nil
}

// ControlNotes say which control tokens were read in texts of a request, or that
// what other programs read as one was read as letters.
func (r Request) ControlNotes(v lm.Vocabulary, texts ...string) ([]string, error) {
	literal := r.Literal
	r.Literal = false
	control, err := r.ControlTokens(v, texts...)
	switch {
	case err != nil || len(control) == 0:
		return nil, err
	case literal:
		return []string{control[0] + " was read as letters: llama.cpp's programs, which read a control token, read another prompt"}, nil
	}
	return []string{ControlWarning(control)}, nil
}

// ControlWarning says that control tokens were read.
func ControlWarning(control []string) string {
	verb := " was read as a control token"
	if len(control) > 1 {
		verb = " were read as control tokens"
	}
	return strings.Join(control, " and ") + verb + ", as llama.cpp's programs read it"
}

// beginsWithControl reports whether a target's first token is a control token,
// before which no text has a space of its own.
func (r Request) beginsWithControl(v lm.Vocabulary, target string) (bool, error) {
	tokens, err := lm.Split(v, r.text(strings.TrimSpace(target)))
	tokens = lm.TextOnly(tokens)
	return len(tokens) > 0 && lm.IsControl(v, tokens[0]), err
}

// Said is what a model said after the fact's prompt, as text, and whether it tells
// the new answer. exact, if not nil, are the target's tokens where control tokens
// are among them, which are in no text: then these count; see [Fact.Exact].
func (f Fact) Said(v lm.Vocabulary, said, exact []int32) (text string, told bool) {
	n := len(exact)
	if n == 0 {
		text = v.Text(said)
		return text, f.Told(text)
	}
	if len(said) < n || !slices.Equal(said[:n], exact) {
		return v.Text(said), false
	}
	return f.New + v.Text(said[n:]), true
}

// Exact are a target's tokens if it has control tokens, and else nil. A
// generation that is to show them does not stop where they end a text.
func (f Fact) Exact(v lm.Vocabulary, target []int32) ([]int32, error) {
	control, err := f.ControlTokens(v, f.New)
	if err != nil || len(control) == 0 {
		return nil, err
	}
	return target, nil
}
