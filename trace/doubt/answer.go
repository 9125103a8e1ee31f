package doubt

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"retcon/internal/human"
)

// answer says that the traced token is no fact, or may be none.
func (t Traced) answer() (Kind, string) {
	bare := strings.TrimSpace(t.Answer)
	no := func(format string, args ...any) (Kind, string) {
		return NoFact, fmt.Sprintf("the answer is "+format+": that is no fact", args...)
	}
	switch {
	case t.Answer == "":
		return no("a control token, with which the model ends its text or turn")
	case !utf8.ValidString(t.Answer):
		return "", ""
	case bare == "" && strings.ContainsFunc(t.Answer, isBreak):
		return no("a line break, %q", t.Answer)
	case bare == "":
		return no("a blank, %q", t.Answer)
	case strings.ContainsFunc(bare, isText):
		if isFunctionWord(bare, t.rest(), t.Prompt.Text) {
			return no("the function word %q", bare)
		}
		return "", ""
	case strings.ContainsFunc(bare, unicode.IsSymbol):
		return Symbol, fmt.Sprintf("the answer is a symbol, %q: that may be no fact", t.Answer)
	}
	return no("punctuation, %q", t.Answer)
}

// NoAnswer reports whether a token, with which the greedy continuation said of a
// prompt begins, is no fact.
func NoAnswer(prompt, token, said string) bool {
	t := Traced{Answer: token, Said: said}
	t.Prompt.Text = prompt
	kind, _ := t.answer()
	return kind == NoFact
}

// rest is what the model says after the traced token.
func (t Traced) rest() string {
	if rest, ok := strings.CutPrefix(t.Said, t.Answer); ok {
		return rest
	}
	return ""
}

// firstToken says that the answer goes on after the traced token, of which kind
// is the doubt.
func (t Traced) firstToken(kind Kind) string {
	on := t.goesOn()
	if kind != "" { // what the fact is comes after it, if anywhere
		on = t.Answer != "" && strings.ContainsFunc(t.rest(), isText)
	}
	if !on {
		return ""
	}
	return fmt.Sprintf("only the first token of the answer is traced, %q; the model says %s", t.Answer, quoted(t.Said))
}

// goesOn reports whether the traced token and what follows are one word or one
// name, as far as letters tell.
func (t Traced) goesOn() bool {
	if !utf8.ValidString(t.Answer) {
		return true
	}
	rest := t.rest()
	last, _ := utf8.DecodeLastRuneInString(t.Answer)
	next, n := utf8.DecodeRuneInString(rest)
	after, m := utf8.DecodeRuneInString(rest[n:])
	switch {
	case rest == "" || unicode.IsSpace(last):
		return false
	case isText(next): // one word, unless a particle of a script without spaces follows
		return !startsWithParticle(rest)
	case !isText(after):
		return false
	case next == ' ': // New York
		first, _ := utf8.DecodeRuneInString(strings.TrimSpace(t.Answer))
		return unicode.IsUpper(first) && unicode.IsUpper(after)
	case unicode.Is(unicode.Pd, next): // Saint-Denis
		return true
	case next == '.' || next == ',': // 3.14
		return unicode.IsDigit(last) && unicode.IsDigit(after)
	case next == '\'' || next == '’': // O'Brien, but not Rome's
		more, _ := utf8.DecodeRuneInString(rest[n+m:])
		return isText(more)
	}
	return false
}

// isText reports whether r is a part of a word or a number.
func isText(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.M) }

func isBreak(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) }

// sentence says that nothing continues the prompt, since it ends as a sentence or a
// line does. Dots that leave something open are no end.
func (t Traced) sentence() string {
	text := t.Prompt.Text
	last, _ := utf8.DecodeLastRuneInString(text)
	if isBreak(last) {
		if t.Conversation {
			return ""
		}
		return "the prompt ends with a line break: what the model says next does not continue it, and need not be the answer"
	}
	// A sentence may end inside quotation marks or brackets.
	text = strings.TrimRightFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.Pe, unicode.Pf) || strings.ContainsRune(`"'*_`, r)
	})
	last, n := utf8.DecodeLastRuneInString(text)
	if !unicode.Is(unicode.Sentence_Terminal, last) || last == '.' && strings.HasSuffix(text[:len(text)-n], ".") {
		return ""
	}
	return fmt.Sprintf("the prompt ends with %q as a whole sentence does: what the model says next does not continue it, and need not be the answer", string(last))
}

// quoted shows what a model says.
func quoted(said string) string { return human.Quote(said, 60) }
