package fact

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// mostAlike bounds the prompt that is looked through for a subject in another
// form, in bytes: a letter takes some hundred bytes on the way.
const mostAlike = 1 << 15

// alike finds a subject in a prompt that writes it in another way: the words of
// the prompt, and how they differ from the subject.
func alike(prompt, subject string) (words, differs string, ok bool) {
	if len(prompt) > mostAlike {
		return "", "", false
	}
	caseless := cases.Fold()
	for _, way := range []struct {
		fold    func(string) string
		differs func(words, subject string) string
	}{
		{norm.NFC.String, forms},
		{func(s string) string { return signs(norm.NFC.String(s)) }, otherSign},
		{func(s string) string { return norm.NFKC.String(s) }, func(string, string) string {
			return "the prompt writes it in other forms of the same letters"
		}},
		{func(s string) string { return caseless.String(norm.NFC.String(s)) }, func(string, string) string { return "the prompt writes it with other capitals" }},
		{func(s string) string { return norm.NFC.String(caseless.String(signs(norm.NFKD.String(s)))) }, func(string, string) string {
			return "the prompt writes it in other letters or signs of the same meaning"
		}},
	} {
		if words, ok := foldedIndex(prompt, subject, way.fold); ok {
			return words, way.differs(words, subject), true
		}
	}
	return "", "", false
}

// forms says which of the two is composed.
func forms(words, _ string) string {
	if norm.NFC.IsNormalString(words) {
		return "the prompt writes it in composed letters (NFC); the subject does not"
	}
	return "the subject is written in composed letters (NFC); the prompt's are not"
}

// foldedIndex is the piece of text that is what once both are folded. Characters
// are folded with the marks that belong to them, so that a piece has whole ones.
func foldedIndex(text, what string, fold func(string) string) (piece string, ok bool) {
	var folded strings.Builder
	var at []int // of each byte of folded: where its character begins in text
	for i := 0; i < len(text); {
		n := norm.NFC.NextBoundaryInString(text[i:], true)
		if n <= 0 {
			n = len(text) - i
		}
		f := fold(text[i : i+n])
		folded.WriteString(f)
		for range len(f) {
			at = append(at, i)
		}
		i += n
	}
	at = append(at, len(text))
	want := fold(what)
	if want == "" {
		return "", false
	}
	all := folded.String()
	for from := 0; ; {
		i := strings.Index(all[from:], want)
		if i < 0 {
			return "", false
		}
		begin, end := from+i, from+i+len(want)
		if whole := (begin == 0 || at[begin] != at[begin-1]) && at[end] != at[end-1]; whole {
			return text[at[begin]:at[end]], true
		}
		_, size := utf8.DecodeRuneInString(all[begin:])
		from = begin + size
	}
}

// signs writes the signs that keyboards do not have as those that they have, and
// leaves out those that are not seen.
func signs(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("\u2018\u2019\u201a\u201b\u02bc\u02b9\u2032\uff07`\u00b4", r):
			return '\''
		case strings.ContainsRune("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02", r):
			return '"'
		case unicode.Is(unicode.Pd, r), r == '\u2212':
			return '-'
		case unicode.IsSpace(r), unicode.Is(unicode.Zs, r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}

// otherSign names the first sign in which words differ from the subject.
func otherSign(words, subject string) string {
	a, b := []rune(norm.NFC.String(words)), []rune(norm.NFC.String(subject))
	for i, r := range a {
		switch {
		case unicode.Is(unicode.Cf, r) && (i >= len(b) || r != b[i]):
			return fmt.Sprintf("the prompt has a character in it that is not seen (%U)", r)
		case i < len(b) && unicode.Is(unicode.Cf, b[i]) && r != b[i]:
			return fmt.Sprintf("the subject has a character in it that is not seen (%U)", b[i])
		case i < len(b) && r != b[i]:
			return fmt.Sprintf("the prompt has %s (%U) where the subject has %s (%U)", signName(r), r, signName(b[i]), b[i])
		}
	}
	return "the subject has a character in it that is not seen"
}

// signName says what a sign is.
func signName(r rune) string {
	switch {
	case r == ' ':
		return "a space"
	case r == '\u00a0', r == '\u202f':
		return "a hard space"
	case unicode.IsSpace(r), unicode.Is(unicode.Zs, r):
		return "another space"
	case signs(string(r)) == "'":
		return "the apostrophe " + string(r)
	case signs(string(r)) == `"`:
		return "the quotation mark " + string(r)
	case signs(string(r)) == "-":
		return "the dash " + string(r)
	}
	return "the sign " + string(r)
}

// copied is words between quotation marks, as they are to be copied.
func copied(words string) string {
	if strings.ContainsFunc(words, unicode.IsControl) {
		return fmt.Sprintf("%q", words)
	}
	return `"` + words + `"`
}
