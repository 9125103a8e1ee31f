package fact

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"

	"retcon/internal/fault"
)

// Request is one fact to rewrite.
type Request struct {
	// Record is the number of the request in its file, from 1; 0 if alone.
	Record int `json:"-"`
	// File is that file, for errors; empty if it is not known.
	File string `json:"-"`
	// Prompt is the text that the target should follow. It holds the subject
	// once, or {} in its place.
	Prompt    string `json:"prompt"`
	Subject   string `json:"subject"`
	TargetNew string `json:"target_new"`
	// TargetTrue is the old answer, if known.
	TargetTrue string `json:"target_true,omitempty"`
	// Paraphrases and Neighbours are other prompts, whole: of the same fact,
	// and of facts that must not change.
	Paraphrases []string `json:"paraphrase_prompts,omitempty"`
	Neighbours  []string `json:"neighborhood_prompts,omitempty"`
	// Question asks for the fact in a conversation.
	Question string `json:"question,omitempty"`
	// Join, if not empty, is how the targets follow the prompt, whatever the
	// prompt tells; see [JoinOf].
	Join Join `json:"join,omitempty"`
	// Literal says that control tokens which are written in the request's texts
	// are read as letters.
	Literal bool `json:"literal,omitempty"`
	// Invalid is why the record that the request is from cannot be used; the
	// request is empty then.
	Invalid error `json:"-"`
	// Settled are the joints of the request's prompts that a model was asked for,
	// by the prompt and the first signs of a target; see [Request.Settle].
	Settled map[Joined]Join `json:"-"`
}

// Slot marks the subject's place in a prompt.
const Slot = "{}"

// Fact is a request made ready: the prompt's text with the subject's place in
// it, and targets with the space before them.
type Fact struct {
	Request
	// Text is the prompt with the subject put in, Text[Begin:End].
	Text       string
	Begin, End int
	// New and Old are what is to follow Text, including its leading space.
	// Old is empty where the request names no old answer, or the new one as
	// such: see [Fact.SameOld].
	New, Old string
}

// Resolve finds the subject and settles the spaces. Its errors wrap ErrRequest
// and, where the request has a record number, name it.
//
// Spaces around prompt and targets are dropped, and one is put before a target,
// as the reference does (rome_main.py), except where no writer would: see
// [JoinOf]. Where the text does not tell, it is the likelier of the two, unless
// [Request.Settle] has asked a model.
func (r Request) Resolve() (Fact, error) {
	f, err := r.resolve()
	if err != nil && r.Record > 0 {
		err = &RecordError{File: r.File, Record: r.Record, Err: err}
	}
	return f, err
}

func (r Request) resolve() (Fact, error) {
	f := Fact{Request: r}
	if r.Invalid != nil {
		return f, r.Invalid
	}
	var err error
	if f.Text, f.Begin, f.End, err = Place(r.Prompt, r.Subject); err != nil {
		return f, err
	}
	if strings.TrimSpace(r.TargetNew) == "" {
		return f, fault.Errorf(ErrRequest, "the target is empty: say what should follow the prompt")
	}
	if err := checkText(r.TargetNew + r.TargetTrue); err != nil {
		return f, err
	}
	f.Subject = f.Text[f.Begin:f.End]
	f.New = r.follow(f.Text, r.TargetNew)
	if strings.TrimSpace(r.TargetTrue) != "" && !sameAnswer(r.TargetTrue, r.TargetNew) {
		f.Old = r.follow(f.Text, r.TargetTrue)
	}
	return f, nil
}

// unspaced reports whether r belongs to a script written without spaces.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai,
		unicode.Lao, unicode.Khmer, unicode.Myanmar) || r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff60
}

// Name is the request in a few words, for messages.
func (r Request) Name() string {
	name := fmt.Sprintf("%q -> %q", r.Subject, strings.TrimSpace(r.TargetNew))
	if r.Record > 0 {
		name = fmt.Sprintf("request %d (%s)", r.Record, name)
	}
	return name
}

// Digest identifies what a request asks for, 32 hexadecimal digits.
func (r Request) Digest() string {
	text := fmt.Appendf(nil, "%q %q %q %q", r.Prompt, r.Subject, r.TargetNew, r.TargetTrue)
	if r.Join != "" || r.Literal {
		text = fmt.Appendf(text, " %q %v", r.Join, r.Literal)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))[:32]
}
