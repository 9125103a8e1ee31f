package doubt

import "retcon/internal/human"

// Tally counts the facts of each kind of doubt.
type Tally map[Kind]int

// Add counts the doubts of a fact.
func (t Tally) Add(kinds []Kind) {
	for _, k := range kinds {
		t[k]++
	}
}

// telling are the doubts that weigh on an average too, and what they say of some
// of its facts. That an answer of several tokens is traced by its first is the rule
// there.
var telling = []struct {
	kind Kind
	text string
}{
	{NoFact, "the token that was traced, a function word or punctuation, is no fact"},
	{WholeSentence, "the prompt ends as a whole sentence or line does, and the answer need not continue it"},
	{NothingHidden, "hiding the subject leaves the answer as likely as it is: the trace cannot show what the subject carries"},
	{PartOfWord, "the subject is a part of a word"},
	{SharedToken, "a token at an end of the subject holds other text as well"},
}

// Sentences say of how many facts, of so many, there is which doubt.
func (t Tally) Sentences(facts int) []string {
	var out []string
	for _, x := range telling {
		if n := t[x.kind]; n > 0 {
			out = append(out, human.Thousands(int64(n))+" of "+human.Counted(facts, "fact")+": "+x.text)
		}
	}
	return out
}
