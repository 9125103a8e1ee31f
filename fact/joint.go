package fact

import (
	"fmt"

	"retcon/lm"
)

// Joint splits a prompt and the target that follows it into tokens, the target's
// from tokens[n] on. The text is split as one, as the model reads it; only where
// a token would cover the end of the prompt and the start of the target are the
// two split apart. This is the one rule by which targets are both optimised and
// scored. Without a target n is the number of all tokens.
func Joint(v lm.Vocabulary, prompt, target lm.Text) (tokens []lm.Token, n int, err error) {
	whole := append(prompt[:len(prompt):len(prompt)], target...)
	if tokens, err = lm.Split(v, whole); err != nil {
		return nil, 0, err
	}
	if target.String() == "" {
		return tokens, len(tokens), nil
	}
	if n = cut(tokens, len(prompt.String())); n > 0 {
		return tokens, n, nil
	}
	if tokens, err = lm.Split(v, prompt); err != nil {
		return nil, 0, err
	}
	own, err := lm.Split(v, target)
	if err != nil {
		return nil, 0, err
	}
	n = len(tokens)
	return append(tokens, lm.TextOnly(own)...), n, nil
}

// cut is the number of tokens that make up the first n bytes, 0 if no token
// ends there.
func cut(tokens []lm.Token, n int) int {
	for i, t := range tokens {
		if t.Begin >= n && t.End > t.Begin {
			if i > 0 && t.Begin == n && tokens[i-1].End <= n {
				return i
			}
			return 0
		}
	}
	return 0
}

// Row is a prompt of the request, its own or another, and a target as a row
// whose tail, the target, is to be scored. Blanks around the prompt are dropped,
// as [Place] drops them, and whether a space stands before the target is settled
// as for the request's own. chat, if not nil, is the turns of a conversation
// before the prompt; prompt and target are letters there.
func (r Request) Row(m lm.Model, chat lm.Text, prompt, target string) (lm.Scored, error) {
	prompt = trim(prompt)
	target = r.follow(prompt, target)
	text := r.text
	if chat != nil {
		text = func(s string) lm.Text { return lm.Text{{Text: s}} }
	}
	tokens, n, err := Joint(m, append(chat[:len(chat):len(chat)], text(prompt)...), text(target))
	if err != nil {
		return lm.Scored{}, err
	}
	row := lm.Scored{Tokens: lm.IDs(tokens), From: n}
	if row.From < 1 || row.From >= len(row.Tokens) {
		return row, fmt.Errorf("%w: %q followed by %q has no tokens to score", ErrRequest, prompt, target)
	}
	if most := m.Info().Context; most > 0 && len(row.Tokens) > most {
		return row, fmt.Errorf("%w: %.40q takes %d tokens, but the model's context holds %d", ErrRequest, prompt, len(row.Tokens), most)
	}
	return row, nil
}

// Tokens are those of a prompt of the request, its own or another, without a
// target; see [Request.Row].
func (r Request) Tokens(v lm.Vocabulary, prompt string) ([]int32, error) {
	tokens, err := lm.Split(v, r.text(trim(prompt)))
	return lm.IDs(tokens), err
}
