// Package doubt says why a trace may mean nothing: an answer that is no fact, or
// the first token of one; a prompt that nothing continues; a subject that was not
// hidden, or whose tokens are not its own.
package doubt

import (
	"fmt"

	"retcon/fact"
	"retcon/internal/human"
)

// Kind tells doubts apart, as results have them.
type Kind string

// The kinds of doubt.
const (
	// HardlyKnown: the answer has less than [Unsure].
	HardlyKnown Kind = "hardly_known"
	// NoFact: the answer is a line break, a blank, punctuation, a function word or
	// the end of the text.
	NoFact Kind = "no_fact"
	// Symbol: the answer is a sign such as + or $, which may be a fact or not.
	Symbol Kind = "symbol"
	// FirstToken: the answer goes on after the token that is traced.
	FirstToken Kind = "first_token"
	// WholeSentence: the prompt ends as a sentence or a line does.
	WholeSentence Kind = "whole_sentence"
	// NothingHidden: the answer is about as likely with the subject hidden.
	NothingHidden Kind = "nothing_hidden"
	// PartOfWord: the subject is a part of a word.
	PartOfWord Kind = "part_of_word"
	// SharedToken: a token at an end of the subject holds other text, too.
	SharedToken Kind = "shared_token"
)

// Doubt is a reason why a trace may mean nothing, in words.
type Doubt struct {
	Kind Kind
	Text string
}

// Traced is what was traced, as far as doubts tell.
type Traced struct {
	Prompt fact.Prompt
	// Conversation says that there are control tokens in the prompt: a line break
	// at its end may then belong to the head of a turn.
	Conversation bool
	Answer       string // the traced token as text; empty: a control token
	Said         string // the greedy continuation, the answer its beginning; empty: not known
	Clean        float64
	// Corrupted is the answer's probability with the subject hidden, and Hidden
	// says by what, as "noise"; empty: by nothing.
	Corrupted float64
	Hidden    string
}

const (
	// Unsure is the probability of the answer below which a trace says little.
	Unsure = 0.1
	// kept is the share of it that a subject which was hidden leaves at most: of a
	// smaller effect a map has hardly anything to show.
	kept = 0.9
	// nearly is the share that is said to be all of it.
	nearly = 0.95
)

// Doubts are those of a trace, none of one that means what it seems to.
func (t Traced) Doubts() []Doubt {
	var out []Doubt
	add := func(kind Kind, text string) {
		if text != "" {
			out = append(out, Doubt{kind, text})
		}
	}
	kind, says := t.answer()
	add(kind, says)
	add(FirstToken, t.firstToken(kind))
	if t.Clean < Unsure {
		add(HardlyKnown, fmt.Sprintf("the model answers %s with %s only: the trace says little about a fact that it hardly knows", quoted(t.Answer), human.Percent(t.Clean)))
	}
	add(WholeSentence, t.sentence())
	if t.Hidden != "" && t.Corrupted > kept*t.Clean {
		what := "hardly anything"
		if t.Corrupted > nearly*t.Clean {
			what = "nothing"
		}
		add(NothingHidden, fmt.Sprintf("the %s hides %s: the answer has p %.3f without it and %.3f with it, and the trace cannot show what the subject carries", t.Hidden, what, t.Clean, t.Corrupted))
	}
	add(PartOfWord, t.Prompt.Piece())
	add(SharedToken, t.shared())
	return out
}

// shared says that a token at an end of the subject holds other text.
func (t Traced) shared() string {
	before, after := t.Prompt.Beside()
	switch {
	case before != "" && after != "":
		return fmt.Sprintf("the subject's first token holds %q before it as well, its last %q after it: what is traced there is not the subject's alone", before, after)
	case before != "":
		return fmt.Sprintf("the subject's first token holds %q before it as well: what is traced there is not the subject's alone", before)
	case after != "":
		return fmt.Sprintf("the subject's last token holds %q after it as well: what is traced there is not the subject's alone", after)
	}
	return ""
}

// Texts are doubts in words.
func Texts(doubts []Doubt) []string {
	var out []string
	for _, d := range doubts {
		out = append(out, d.Text)
	}
	return out
}
