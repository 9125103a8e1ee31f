package fact

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isWord reports whether text[begin:end] is not a part of a longer word, as far
// as spaces tell.
func isWord(text string, begin, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:begin])
	first, _ := utf8.DecodeRuneInString(text[begin:end])
	last, _ := utf8.DecodeLastRuneInString(text[begin:end])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return !(inWord(before) && inWord(first)) && !(inWord(last) && inWord(after))
}

// inWord reports whether r is a letter or digit of a script that has spaces
// between words.
func inWord(r rune) bool { return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !unspaced(r) }

// Piece says that the subject is a part of a word, empty where it is none.
func (f Fact) Piece() string { return pieceText(f.Text, f.Begin, f.End) }

// Piece says that the subject is a part of a word, empty where it is none.
func (p Prompt) Piece() string { return pieceText(p.Text, p.bytes[0], p.bytes[1]) }

func pieceText(text string, begin, end int) string {
	word := partOf(text, begin, end)
	if word == "" {
		return ""
	}
	return fmt.Sprintf("the subject %q is a part of the word %q in the prompt", text[begin:end], word)
}

// partOf is the longer word of a prompt that its subject is a part of, as far
// as spaces tell; empty where it is none, or where what follows may be a particle
// that its language joins on.
func partOf(text string, begin, end int) string {
	if particle(text[end:]) || isWord(text, begin, end) {
		return ""
	}
	for r, n := utf8.DecodeLastRuneInString(text[:begin]); inWord(r); r, n = utf8.DecodeLastRuneInString(text[:begin]) {
		begin -= n
	}
	for r, n := utf8.DecodeRuneInString(text[end:]); inWord(r); r, n = utf8.DecodeRuneInString(text[end:]) {
		end += n
	}
	return text[begin:end]
}

// particles are what Korean joins on to a word without making it another one:
// its particles, and the forms of "to be".
var particles = []string{
	"은", "는", "이", "가", "께", "을", "를", "의", "에", "와", "과", "도", "만", "로", "으로", "랑", "나", "든", "야", "여",
	"부터", "까지", "마다", "조차", "마저", "밖에", "보다", "처럼", "같", "하고", "한테", "커녕", "대로", "만큼", "뿐", "쯤",
	"다", "입니", "예요", "였", "라", "란", "임", "요", "고", "며", "지만", "지요", "죠",
}

// particle reports whether text begins with a particle that its language joins
// on to the word before it.
func particle(text string) bool {
	return slices.ContainsFunc(particles, func(p string) bool { return strings.HasPrefix(text, p) })
}
