package fact

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Join says how a target follows a prompt.
type Join string

// The joints; the zero value is one that nothing has settled.
const (
	Space   Join = "space" // a space stands between them
	NoSpace Join = "none"  // the target joins on
)

// JoinOf is how a writer would let a target follow a text. Where the text does
// not tell, certain is false and the joint the likelier of the two:
// [Request.Settle] asks a model.
//
// No space stands in scripts that are written without (Chinese, Japanese, Thai,
// Lao, Khmer, Burmese), after a line's end, an opening bracket or quotation mark,
// an underscore or a currency sign before digits, and before closing punctuation
// and what joins on to a word ("'s", "-based").
func JoinOf(text, target string) (join Join, certain bool) {
	target = strings.TrimSpace(target)
	last, size := utf8.DecodeLastRuneInString(text)
	first, _ := utf8.DecodeRuneInString(target)
	before, _ := utf8.DecodeLastRuneInString(text[:len(text)-size])
	switch {
	case size == 0 || last == '\n' || unspaced(last) || unspaced(first) || openingBracket(last):
		return NoSpace, true
	case strings.ContainsRune(quotes, last):
		if join, certain = afterQuote(text[:len(text)-size], last, before); join == NoSpace || !certain {
			return join, certain
		}
	}
	if join, certain, ok := byTarget(last, target); ok {
		return join, certain
	}
	return byText(last, before, first)
}

// byTarget is the joint as far as the target's first signs tell.
func byTarget(last rune, target string) (join Join, certain, ok bool) {
	first, n := utf8.DecodeRuneInString(target)
	second, _ := utf8.DecodeRuneInString(target[n:])
	word, more := inWord(last), inWord(second)
	switch {
	case apostrophe(first):
		if word && unicode.IsLower(second) { // 's and 'll; 'Rome' is a quotation
			return NoSpace, true, true
		}
		return Space, false, true
	case first == '-' || first == '\u2010' || first == '\u2011': // hyphens
		if unicode.IsLetter(second) {
			return NoSpace, word, true
		}
		return Space, false, true
	case strings.ContainsRune(".,;:!?\u2026", first):
		return NoSpace, !more, true // .NET and .5 are words
	case word && (strings.HasPrefix(target, "n't") || strings.HasPrefix(target, "n\u2019t")):
		return NoSpace, true, true
	case unicode.IsDigit(last) && suffix(target):
		return NoSpace, false, true // 21st and 1990s, or 5 th
	case first == '%' || unicode.In(first, unicode.Pe) || unicode.In(first, unicode.Pf):
		return NoSpace, true, true
	case first == '_':
		return NoSpace, word, true
	case first == '"':
		return Space, more, true
	case unicode.IsLetter(first), unicode.IsDigit(first), unicode.IsMark(first), unicode.In(first, unicode.Sc):
		return "", false, false
	}
	return Space, false, true // brackets, dashes, mathematical signs
}

// suffix reports whether a target begins with what joins on to a number.
func suffix(target string) bool {
	word := strings.FieldsFunc(target, func(r rune) bool { return !unicode.IsLetter(r) })
	return len(word) > 0 && strings.HasPrefix(target, word[0]) && slices.Contains([]string{"st", "nd", "rd", "th", "s", "e", "er", "ème"}, word[0])
}

// byText is the joint of a target that begins a word, or a number, as far as the
// text's last signs tell.
func byText(last, before, first rune) (join Join, certain bool) {
	word := inWord(before)
	switch {
	case inWord(last), unicode.IsMark(last), strings.ContainsRune("!?;%\u2026", last), unicode.In(last, unicode.Pe):
		return Space, true
	case last == '"', last == '`', apostrophe(last), unicode.In(last, unicode.Pi, unicode.Pf):
		return Space, true // a closing quotation mark: afterQuote has the others
	case last == ',':
		return Space, !(unicode.IsDigit(before) && unicode.IsDigit(first))
	case last == '_':
		return NoSpace, word
	case last == '@' || last == '\u00a1' || last == '\u00bf': // ¡ and ¿ open a sentence
		return NoSpace, true
	case last == '-' || last == '\u2010' || last == '\u2011':
		return NoSpace, word && unicode.IsLetter(first)
	case strings.ContainsRune("$\u00a3\u00a5\u20b9", last):
		return NoSpace, unicode.IsDigit(first)
	}
	return Space, false // full stops, colons, dashes, slashes and other signs
}

// quotes are the signs that open or close a quotation.
const quotes = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"

// afterQuote is the joint after a quotation mark, of which text is what stands
// before it, and before that text's last sign. One that closes has a space after
// it.
func afterQuote(text string, mark, before rune) (join Join, certain bool) {
	if mark == '\u201e' || mark == '\u201a' { // low ones always open
		return NoSpace, true
	}
	apart := text == "" || unicode.IsSpace(before) || openingBracket(before) || strings.ContainsRune(":=,-\u2013\u2014", before)
	guillemet := strings.ContainsRune("\u00ab\u00bb\u2039\u203a", mark)
	switch {
	case apart && opened(text, mark):
		return Space, false // " Rome ", or a quotation in a quotation
	case apart && guillemet:
		return NoSpace, false // French has a space there
	case apart:
		return NoSpace, true
	case apostrophe(mark) && inWord(before):
		return NoSpace, false // d' and l', or the boys'
	case !opened(text, mark) && inWord(before):
		return Space, false // 6", or a quotation that opens in the middle of a word
	}
	return Space, true
}

// opened reports whether a quotation that this mark could close is open at the
// end of text.
func opened(text string, mark rune) bool {
	count := func(marks ...rune) (n int) {
		for _, m := range marks {
			n += strings.Count(text, string(m))
		}
		return n
	}
	switch mark {
	case '\u201c': // closes „ in German, opens in English
		return count('\u201e') > count('\u201c')
	case '\u2018':
		return count('\u201a') > count('\u2018')
	case '\u201d': // closes “ and „; opens and closes in Swedish
		if n := count('\u201c', '\u201e'); n > 0 {
			return n > count('\u201d')
		}
	case '\u2019':
		return count('\u2018', '\u201a') > 0
	case '\u00bb', '\u203a': // open in German
		pair := map[rune]rune{'\u00bb': '\u00ab', '\u203a': '\u2039'}[mark]
		return count(pair) > count(mark)
	case '\u00ab', '\u2039':
		pair := map[rune]rune{'\u00ab': '\u00bb', '\u2039': '\u203a'}[mark]
		return count(pair) > count(mark)
	case '\'':
		return false
	}
	return count(mark)%2 == 1
}

func openingBracket(r rune) bool { return unicode.Is(unicode.Ps, r) }

func apostrophe(r rune) bool { return r == '\'' || r == '\u2019' || r == '\u02bc' }

// Follow returns target with what belongs before it after text, as far as the
// text tells; see [JoinOf].
func Follow(text, target string) string {
	join, _ := JoinOf(text, target)
	return join.put(target)
}

// put is the target as it follows.
func (j Join) put(target string) string {
	target = strings.TrimSpace(target)
	if j == NoSpace {
		return target
	}
	return " " + target
}
