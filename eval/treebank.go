package eval

import (
	"regexp"
	"strings"
	"unicode"
)

// WordTokenize splits a text into words as the reference's fluency is counted:
// into sentences first, then by the rules of the Penn Treebank as NLTK's
// word_tokenize has them. Punctuation, brackets and the parts of contractions
// become words of their own, a period only at a sentence's end; straight double
// quotes become pairs of backquotes or apostrophes.
func WordTokenize(text string) []string {
	var out []string
	for _, s := range sentences(text) {
		out = append(out, treebank(s)...)
	}
	return out
}

// rule replaces what a pattern finds.
type rule struct {
	find *regexp.Regexp
	put  string
}

func rules(pairs ...string) []rule {
	var out []rule
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, rule{regexp.MustCompile(pairs[i]), pairs[i+1]})
	}
	return out
}

// The rules in the order in which they apply. What ends up between spaces is a
// word.
var (
	openingRules = rules(
		"[«“‘„]|`+", ` $0 `,
		`^"`, "``",
		"``", " `` ",
		`([ (\[{<])(?:"|'')`, "$1 `` ",
	)
	punctuationRules = rules(
		// the period at the end, with what may close after it
		`([^.])\.([\])}>"'»”’ ]*)\s*$`, `$1 . $2 `,
		// colons and commas, but not inside numbers
		`([:,])([^\d])`, ` $1 $2`,
		`([:,])$`, ` $1 `,
		`\.{2,}`, ` $0 `,
		`[;@#$%&]`, ` $0 `,
		`[‒-―]`, ` $0 `,
		`([^.])\.([\])}>"']*)\s*$`, `$1 .$2 `,
		`[?!]`, ` $0 `,
		`([^'])' `, `$1 ' `,
		`[*]`, ` $0 `,
		`[\]\[(){}<>]`, ` $0 `,
		`--`, ` -- `,
	)
	closingRules = rules(
		`[»”’]`, ` $0 `,
		`''`, ` '' `,
		`"`, ` '' `,
		`\s+`, ` `,
		`([^' ])('[sS]|'[mM]|'[dD]|') `, `$1 $2 `,
		`([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) `, `$1 $2 `,
		// contractions that are two words
		`(?i)\b(can)(not)\b`, ` $1 $2 `,
		`(?i)\b(d)('ye)\b`, ` $1 $2 `,
		`(?i)\b(gim|lem)(me)\b`, ` $1 $2 `,
		`(?i)\b(gon)(na)\b`, ` $1 $2 `,
		`(?i)\b(got)(ta)\b`, ` $1 $2 `,
		`(?i)\b(more)('n)\b`, ` $1 $2 `,
		`(?i)\b(wan)(na)\s`, ` $1 $2 `,
		`(?i) ('t)(is|was)\b`, ` $1 $2 `,
	)
)

// treebank splits one sentence.
func treebank(s string) []string {
	s = apply(s, openingRules)
	s = apply(splitOpening(s), punctuationRules)
	return strings.Fields(apply(" "+s+" ", closingRules))
}

func apply(s string, rs []rule) string {
	for _, r := range rs {
		s = r.find.ReplaceAllString(s, r.put)
	}
	return s
}

// clitics follow an apostrophe as part of the word before it.
var clitics = map[string]bool{"re": true, "ve": true, "ll": true, "m": true, "t": true, "s": true, "d": true, "n": true}

// splitOpening parts an apostrophe from the word that it opens, as a quote,
// unless the word is a clitic.
func splitOpening(s string) string {
	if !strings.Contains(s, "'") {
		return s
	}
	var b strings.Builder
	r := []rune(s)
	for i, c := range r {
		b.WriteRune(c)
		if c != '\'' || i > 0 && wordRune(r[i-1]) || i+1 >= len(r) || !wordRune(r[i+1]) {
			continue
		}
		end := i + 1
		for end < len(r) && wordRune(r[end]) {
			end++
		}
		if !clitics[strings.ToLower(string(r[i+1:end]))] {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }
