package fact

import (
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

// PartOf is the longer word of the prompt that the subject is a part of, as far
// as spaces tell; empty where it is none, or where what follows may be a particle
// that its language joins on.
func (f Fact) PartOf() string {
	if after, _ := utf8.DecodeRuneInString(f.Text[f.End:]); unicode.Is(unicode.Hangul, after) || isWord(f.Text, f.Begin, f.End) {
		return ""
	}
	begin, end := f.Begin, f.End
	for r, n := utf8.DecodeLastRuneInString(f.Text[:begin]); inWord(r); r, n = utf8.DecodeLastRuneInString(f.Text[:begin]) {
		begin -= n
	}
	for r, n := utf8.DecodeRuneInString(f.Text[end:]); inWord(r); r, n = utf8.DecodeRuneInString(f.Text[end:]) {
		end += n
	}
	return f.Text[begin:end]
}
