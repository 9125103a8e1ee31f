package average

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"retcon/fact"
	"retcon/internal/shard"
)

// Fact is a prompt and what should follow it.
type Fact struct {
	// Record is the number of the fact in its file, from 1.
	Record int `json:"record"`
	// ID is the file's own name for it, empty if it has none.
	ID string `json:"id,omitempty"`
	// Prompt holds the subject once, or {} in its place.
	Prompt  string `json:"prompt"`
	Subject string `json:"subject"`
	// Answer is what should follow; where it is empty any answer will do.
	Answer string `json:"answer,omitempty"`
	// SubjectSwap is the subject that takes the subject's place where subjects
	// are swapped; it may be empty where they are not.
	SubjectSwap string `json:"subject_swap,omitempty"`
}

// longest is the most bytes of a text in a fact: more than the context of any
// model that is traced.
const longest = 1 << 16

// check reports what is wrong with a fact, and in which field.
func (f Fact) check() error {
	for _, t := range []struct{ name, text string }{{"prompt", f.Prompt}, {"subject", f.Subject}, {"answer", f.Answer}, {"subject_swap", f.SubjectSwap}} {
		switch {
		case len(t.text) > longest:
			return factsf("its %s has %d bytes; at most %d", t.name, len(t.text), longest)
		case !utf8.ValidString(t.text):
			return factsf("its %s is not valid UTF-8", t.name)
		case strings.ContainsRune(t.text, 0):
			return factsf("its %s holds a zero byte", t.name)
		}
	}
	switch {
	case f.SubjectSwap != "" && f.SubjectSwap == f.Subject:
		return factsf("its subject_swap is its subject, %q", f.Subject)
	case f.Prompt == "":
		return factsf("it has no prompt (nor template)")
	case f.Subject == "":
		return factsf("it has no subject")
	}
	_, _, _, err := fact.Place(f.Prompt, f.Subject)
	return err
}

// Digest identifies a list of facts.
func Digest(facts []Fact) string {
	sum := sha256.New()
	json.NewEncoder(sum).Encode(facts) // writes to a hash and of plain texts do not fail
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// Right reports whether a model gets a fact right that answers its prompt with
// the token first and goes on with continuation, the greedy one, first included.
//
// The rule is ROME's, where the token without spaces is the whole answer
// (experiments/causal_trace.py). Of an answer of several tokens the first must
// begin it and the continuation be it, up to the end of a word. Any answer but
// none is right where answer is empty.
func Right(answer, first, continuation string) bool {
	answer, first = strings.TrimSpace(answer), strings.TrimSpace(first)
	switch {
	case first == "":
		return false
	case answer == "" || first == answer:
		return true
	case !strings.HasPrefix(answer, first):
		return false
	}
	return fact.StartsWith(continuation, answer)
}

// ShardOf selects a shard's facts, by their numbers in the file.
func ShardOf(s shard.Shard, facts []Fact) []Fact {
	var out []Fact
	for _, f := range facts {
		if s.Has(f.Record) {
			out = append(out, f)
		}
	}
	return out
}
