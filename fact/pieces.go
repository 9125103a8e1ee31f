package fact

import (
	"strings"

	"retcon/lm"
)

// Pieces are the prompt's bytes that each token stands for, together the whole
// text: a token that is a part of a character has a part of its bytes, one that is
// no text, as BOS, has none. They are nil unless the prompt is one of NewPrompt or
// PromptAt.
func (p Prompt) Pieces() [][]byte {
	if len(p.ends) != len(p.Tokens) {
		return nil
	}
	out := make([][]byte, len(p.ends))
	begin := 0
	for i, end := range p.ends {
		out[i] = []byte(p.Text[begin:end])
		begin = end
	}
	return out
}

// endsOf are the bytes of a text at which its tokens end. What a tokeniser leaves
// out belongs to the token after it, or to the last.
func endsOf(text string, tokens []lm.Token) []int {
	out := make([]int, len(tokens))
	at := 0
	for i, t := range tokens {
		at = max(at, t.End)
		out[i] = at
	}
	if len(out) > 0 {
		out[len(out)-1] = len(text)
	}
	return out
}

// Beside is the text before and after the subject that its first and last token
// hold as well, without the spaces that tokens begin with; empty where the tokens
// are the subject's own.
func (p Prompt) Beside() (before, after string) {
	if len(p.ends) != len(p.Tokens) || p.Begin < 0 || p.Begin >= p.End || p.End > len(p.Tokens) {
		return "", ""
	}
	start := 0
	if p.Begin > 0 {
		start = p.ends[p.Begin-1]
	}
	before = strings.TrimSpace(p.Text[min(start, p.bytes[0]):p.bytes[0]])
	return before, p.Text[p.bytes[1]:max(p.bytes[1], p.ends[p.End-1])]
}
