package lm

import "unicode/utf8"

// Token is a token and the bytes text[Begin:End] it stands for.
type Token struct {
	ID         int32
	Begin, End int
}

// IDs are the ids of tokens.
func IDs(tokens []Token) []int32 {
	out := make([]int32, len(tokens))
	for i, t := range tokens {
		out[i] = t.ID
	}
	return out
}

// TextOnly leaves out what stands in front of a text without being part of it,
// as BOS does.
func TextOnly(tokens []Token) []Token {
	for len(tokens) > 0 && tokens[0].End == tokens[0].Begin {
		tokens = tokens[1:]
	}
	return tokens
}

// Fragment is the bytes of a token that is a part of a character, nil of one whose text
// is whole. JSON holds them beside the text, in which they would be lost.
func Fragment(piece string) []byte {
	if utf8.ValidString(piece) {
		return nil
	}
	return []byte(piece)
}
