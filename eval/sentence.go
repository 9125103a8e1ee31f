package eval

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentences splits a text where sentences end, in the manner of Punkt (Kiss and
// Strunk 2006), which NLTK asks first: ! and ? end one; a period after a
// common word does; after an abbreviation or initials it does only where a
// word follows that begins sentences; after a number, unless a small letter
// follows. In place of counts over a corpus it has lists of abbreviations and of
// words that begin sentences.
func sentences(text string) []string {
	var out []string
	start := 0
	for i := 0; i < len(text); i++ {
		if !strings.ContainsRune(".!?", rune(text[i])) || i < start {
			continue
		}
		next, ok := following(text[i+1:])
		if !ok || text[i] == '.' && !endsSentence(lastWord(text[start:i]), next) {
			continue
		}
		end := i + 1 + closers(text[i+1:])
		out = append(out, strings.TrimSpace(text[start:end]))
		start = end
	}
	if rest := strings.TrimSpace(text[start:]); rest != "" {
		out = append(out, rest)
	}
	return out
}

// following is the word after a mark: what is after white space, or a bracket
// or quote at once. There is none where the mark is inside a word or the text
// ends.
func following(rest string) (next string, ok bool) {
	r, _ := utf8.DecodeRuneInString(rest)
	if strings.ContainsRune(`)";}]*:@'({[!?`, r) && rest != "" {
		return rest[:1], true
	}
	word := strings.TrimLeftFunc(rest, unicode.IsSpace)
	if word == "" || len(word) == len(rest) {
		return "", false
	}
	if end := strings.IndexFunc(word, unicode.IsSpace); end >= 0 {
		word = word[:end]
	}
	return word, true
}

var closing = regexp.MustCompile(`^["')\]}]+(?:\s|$)`)

// closers is the length of quotes and brackets that close a sentence after its
// mark.
func closers(rest string) int {
	return len(strings.TrimRightFunc(closing.FindString(rest), unicode.IsSpace))
}

// lastWord is what stands before a period, as far as the last space, without
// brackets and quotes before it.
func lastWord(s string) string {
	if at := strings.LastIndexFunc(s, unicode.IsSpace); at >= 0 {
		_, size := utf8.DecodeRuneInString(s[at:])
		s = s[at+size:]
	}
	return strings.TrimLeft(s, "([{\"'`“‘„«")
}

var (
	initials = regexp.MustCompile(`^(?:\pL\.)*\pL$`)
	number   = regexp.MustCompile(`^-?[\d.,]*\d$`)
)

// endsSentence reports whether the period after word ends a sentence that next
// follows.
func endsSentence(word, next string) bool {
	first, _ := utf8.DecodeRuneInString(next)
	typ := strings.ToLower(word)
	if at := strings.LastIndexByte(typ, '-'); at >= 0 {
		typ = typ[at+1:]
	}
	switch {
	case word == "" || strings.HasSuffix(word, "."): // an ellipsis
		return unicode.IsUpper(first) && beginners[strings.Trim(strings.ToLower(next), ".,;:!?'\"")]
	case number.MatchString(word):
		return !unicode.IsLower(first) && unicode.IsLetter(first)
	case abbreviations[typ], initials.MatchString(typ):
		return unicode.IsUpper(first) && beginners[strings.Trim(strings.ToLower(next), ".,;:!?'\"")]
	}
	return true
}

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}

// abbreviations that stand inside sentences, without their last period.
var abbreviations = wordSet(`mr mrs ms dr prof rev hon messrs sr jr st ave
	co corp inc ltd bros cos gen sen rep reps col lt maj sgt capt cmdr adm gov pres
	jan feb mar apr aug sep sept oct nov dec mon tue tues wed thu thur fri sat sun
	ala ariz ark calif colo conn del fla ga ill ind kan ky la md mass mich minn miss
	mo mont neb nev okla ore pa tenn tex va vt wash wis wyo
	vs ft mt e.g i.e ph.d a.m p.m u.s u.k u.n cf ca mg mfg vol`)

// beginners begin sentences more often than they stand in capitals inside them.
var beginners = wordSet(`the a an it its he she they we i you this that these those there here in on at by for from with
	as if when while after before since because although though however but and or so yet then thus also
	his her their our my your what who where why how no not some many most all both each one under during`)
