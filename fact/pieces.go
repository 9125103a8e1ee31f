package fact

import "retcon/lm"

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
