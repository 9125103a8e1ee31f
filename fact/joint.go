package fact

import (
	"fmt"

	"retcon/lm"
)

// Joint splits a prompt and the target that follows it into tokens, the target's
// from tokens[n] on. The text is split as one, as the model reads it; only where
// a token would cover the end of the prompt and the start of the target are the
// two split apart. This is the one rule by which targets are both optimised and
// scored.
//
// special lets control tokens be written in the prompt; where the two are split
// apart, the target's text never becomes one. Without a target n is the number
// of all tokens.
func Joint(m lm.Tokenizer, prompt, target string, special bool) (tokens []lm.Token, n int, err error) {
	if tokens, err = m.Tokenize(prompt+target, special); err != nil {
		return nil, 0, err
	}
	if target == "" {
		return tokens, len(tokens), nil
	}
	if n = cut(tokens, len(prompt)); n > 0 {
		return tokens, n, nil
	}
	if tokens, err = m.Tokenize(prompt, special); err != nil {
		return nil, 0, err
	}
	own, err := m.Tokenize(target, false)
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

// Row is a prompt and its target as a row whose tail, the target, is to be
// scored. The space before the target is settled by [Follow]. chat, if not
// empty, is the turns of a conversation before the prompt, in which control
// tokens are read as such.
func Row(m lm.Model, chat, prompt, target string) (lm.Scored, error) {
	target = Follow(prompt, target)
	prompt = chat + prompt
	tokens, n, err := Joint(m, prompt, target, chat != "")
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
