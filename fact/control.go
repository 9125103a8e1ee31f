package fact

import (
	"slices"

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
