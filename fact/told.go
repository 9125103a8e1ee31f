package fact

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// StartsWith reports whether a continuation starts with the whole target: not
// with a longer word that the target begins. A particle that the language joins
// on makes no other word.
func StartsWith(continuation, target string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(continuation, " "), strings.TrimSpace(target))
	if !ok {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(strings.TrimSpace(target))
	next, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || !inWord(last) || !inWord(next) || particle(rest)
}

// Told reports whether a continuation of the prompt tells the new answer: it
// starts with the whole of it, and is not an old answer that begins with it.
func (f Fact) Told(continuation string) bool {
	return StartsWith(continuation, f.New) && !(f.NewBeginsOld() && StartsWith(continuation, f.Old))
}

// Ends reports whether next, the text of a token after the new answer, ends it:
// neither as a longer word nor on the way to an old answer that begins with it.
func (f Fact) Ends(next string) bool {
	return StartsWith(f.New+next, f.New) && !(f.NewBeginsOld() && next != "" && (strings.HasPrefix(f.Old, f.New+next) || StartsWith(f.New+next, f.Old)))
}

// NewBeginsOld reports whether the old answer is the new one and more: "New
// York" and "New York City".
func (f Fact) NewBeginsOld() bool { return begins(f.New, f.Old) }

// OldBeginsNew reports whether the new answer is the old one and more.
func (f Fact) OldBeginsNew() bool { return begins(f.Old, f.New) }

// begins reports whether a text is a shorter one and more words.
func begins(short, long string) bool {
	short, long = strings.TrimSpace(short), strings.TrimSpace(long)
	return short != "" && len(long) > len(short) && StartsWith(long, short)
}

// SameOld reports whether the request names the new answer as the old one, which
// then says nothing and is left out.
func (f Fact) SameOld() bool { return f.Old == "" && strings.TrimSpace(f.TargetTrue) != "" }

// Same reports whether two facts ask for the same answer to the same prompt.
func (f Fact) Same(other Fact) bool { return f.Text == other.Text && sameAnswer(f.New, other.New) }

// Replaces reports whether the fact has another answer to the prompt of the other.
func (f Fact) Replaces(other Fact) bool {
	return f.Text == other.Text && !sameAnswer(f.New, other.New)
}

// sameAnswer reports whether two answers differ in nothing but spaces, the form of
// their letters, and stops at the end.
func sameAnswer(a, b string) bool { return answerOf(a) == answerOf(b) }

func answerOf(s string) string {
	s = norm.NFC.String(strings.Join(strings.Fields(s), " "))
	if t := strings.TrimRight(s, ".,;:!?。．！？ "); t != "" {
		return t
	}
	return s
}

// AnswerNotes say what is odd about the two answers of the fact.
func (f Fact) AnswerNotes() []string {
	answer := strings.TrimSpace(f.New)
	switch {
	case f.SameOld():
		return []string{fmt.Sprintf("the old answer is the same as the new one, %q: it is left out", answer)}
	case f.NewBeginsOld():
		return []string{fmt.Sprintf("the new answer %q is how the old one begins, %q: it counts as told only where the model does not go on with the old one, "+
			"and which of the two is likelier says nothing", answer, strings.TrimSpace(f.Old))}
	case f.OldBeginsNew():
		return []string{fmt.Sprintf("the new answer %q begins with the old one, %q: which of the two is likelier says nothing", answer, strings.TrimSpace(f.Old))}
	}
	return nil
}

// SubjectNotes say what is odd about the subject's place in the prompt, besides
// what [Fact.Piece] says.
func (f Fact) SubjectNotes() []string {
	var out []string
	if !hasWords(f.Text[:f.Begin]) && !hasWords(f.Text[f.End:]) {
		out = append(out, fmt.Sprintf("the subject %q is the whole prompt: the edit answers to this wording only", f.Subject))
	}
	return out
}

// hasWords reports whether there is a letter or a digit in a text.
func hasWords(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}
