package eval

import (
	"fmt"

	"retcon/edit"
)

// tokenise makes a row of a prompt and the target that follows it, with one
// space between them where a writer would put it (edit.Follow). The text is
// split as one, as the model reads it, and the target begins at the token that
// begins there; only where a token covers the end of the prompt and the start
// of the target are the two split apart.
func tokenise(m edit.Model, prompt, target string) (edit.Scored, error) {
	return tokeniseIn(m, "", prompt, target)
}

// tokeniseIn is tokenise behind the turns of a conversation, if chat is not
// empty, whose control tokens are read as such.
func tokeniseIn(m edit.Model, chat, prompt, target string) (edit.Scored, error) {
	target = edit.Follow(prompt, target)
	special := chat != ""
	prompt = chat + prompt
	all, err := m.Tokenize(prompt+target, special)
	if err != nil {
		return edit.Scored{}, err
	}
	row := edit.Scored{Tokens: ids(all), From: boundary(all, len(prompt))}
	if row.From == 0 {
		before, err := m.Tokenize(prompt, special)
		if err != nil {
			return edit.Scored{}, err
		}
		own, err := m.Tokenize(target, false)
		if err != nil {
			return edit.Scored{}, err
		}
		for len(own) > 0 && own[0].End == own[0].Begin { // BOS
			own = own[1:]
		}
		row = edit.Scored{Tokens: append(ids(before), ids(own)...), From: len(before)}
	}
	if row.From < 1 || row.From >= len(row.Tokens) {
		return row, fmt.Errorf("%w: %q followed by %q has no tokens to score", edit.ErrRequest, prompt, target)
	}
	if most := m.Info().Context; most > 0 && len(row.Tokens) > most {
		return row, fmt.Errorf("%w: %.40q takes %d tokens, but the model's context holds %d", edit.ErrRequest, prompt, len(row.Tokens), most)
	}
	return row, nil
}

// boundary is the number of tokens of the first n bytes, 0 if no token ends
// there.
func boundary(tokens []edit.Token, n int) int {
	for i, t := range tokens {
		if t.End > t.Begin && t.Begin >= n {
			if t.Begin == n && i > 0 && tokens[i-1].End <= n {
				return i
			}
			return 0
		}
	}
	return 0
}

func ids(tokens []edit.Token) []int32 {
	out := make([]int32, len(tokens))
	for i, t := range tokens {
		out[i] = t.ID
	}
	return out
}
