package lm

import (
	"slices"
	"strings"
)

// Text is text in parts, some of which may hold control tokens.
type Text []Part

// Part is a part of a text.
type Part struct {
	Text string
	// Control says that control tokens written in it are read as such, and not
	// as the letters that they are written in.
	Control bool
}

// String is the text as it is written.
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Split splits a text into tokens as one. Where a part holds what would be a
// control token, and is not to, the text is split at those of the other parts
// instead, and the pieces between them are read as letters: llama.cpp splits a
// text in the same way.
func Split(v Vocabulary, t Text) ([]Token, error) {
	text := t.String()
	some := slices.ContainsFunc(t, func(p Part) bool { return p.Control })
	all := !slices.ContainsFunc(t, func(p Part) bool { return !p.Control })
	tokens, err := v.Tokenize(text, some)
	if err != nil || !some || all {
		return tokens, err
	}
	own := make([]bool, len(tokens)) // control tokens of parts that may have them
	others := false
	for i, token := range tokens {
		if IsControl(v, token) {
			own[i] = t.within(token)
			others = others || !own[i]
		}
	}
	if !others {
		return tokens, nil
	}
	return splitAt(v, text, tokens, own)
}

// IsControl reports whether a token of a text is a control token, written out in
// it.
func IsControl(v Vocabulary, t Token) bool {
	return t.End > t.Begin && v.Text([]int32{t.ID}) == ""
}

// within reports whether a token is all in parts with control tokens.
func (t Text) within(token Token) bool {
	at := 0
	for _, p := range t {
		end := at + len(p.Text)
		if !p.Control && token.Begin < end && token.End > at {
			return false
		}
		at = end
	}
	return true
}

// splitAt splits a text at those of its tokens that kept marks, and what is
// between them into letters.
func splitAt(v Vocabulary, text string, tokens []Token, kept []bool) ([]Token, error) {
	var out []Token
	for i := 0; i < len(tokens); {
		if kept[i] || tokens[i].End == tokens[i].Begin {
			out = append(out, tokens[i])
			i++
			continue
		}
		j := i
		for j < len(tokens) && !kept[j] {
			j++
		}
		begin := tokens[i].Begin
		letters, err := v.Tokenize(text[begin:tokens[j-1].End], false)
		if err != nil {
			return nil, err
		}
		for _, t := range TextOnly(letters) {
			out = append(out, Token{ID: t.ID, Begin: begin + t.Begin, End: begin + t.End})
		}
		i = j
	}
	return out, nil
}
