package contexts

import (
	"strings"

	"retcon/fact"
	"retcon/internal/fault"
	"retcon/lm"
)

// The contexts of a conversation that an edit can be made in, besides prefixes.
const (
	// Answer puts the prompt at the beginning of the assistant's turn,
	// which answers a request that has nothing to do with it.
	Answer = "answer"
	// Turn lets the user write the prompt, and the assistant answer with
	// the target alone.
	Turn = "turn"
	// Both does both.
	Both = "both"
)

// Openers are what a user may say before the assistant comes to speak of a
// fact.
var Openers = []string{
	"Hello!",
	"Tell me something interesting.",
	"What do you know about this?",
	"I have a question for you.",
	"Please answer in one sentence.",
}

// Tasks ask for the rest of a prompt, which stands in place of {}.
var Tasks = []string{
	"{}",
	"Please finish my sentence: {}",
	"Fill in the blank: {} ___",
}

// mark stands for the prompt while a template is rendered.
const mark = "RETCONPROMPT"

// Conversations are the frames of a kind, none for an empty one.
func Conversations(m lm.Model, kind string) ([]fact.Frame, error) {
	var out []fact.Frame
	add := func(text string) error {
		s, err := lm.RenderChat(m, []lm.Message{{Role: "user", Text: text}}, true)
		if err != nil {
			return err
		}
		f := fact.Frame{Before: s}
		if strings.Contains(text, mark) {
			var found bool
			if f.Before, f.After, found = cut(s); !found {
				return fault.Errorf(lm.ErrUnsupported, "the model's chat template does not write what the user says")
			}
		}
		out = append(out, f)
		return nil
	}
	if kind == Answer || kind == Both {
		for _, text := range Openers {
			if err := add(text); err != nil {
				return nil, err
			}
		}
	}
	if kind == Turn || kind == Both {
		for _, text := range Tasks {
			if err := add(strings.Replace(text, fact.Slot, mark, 1)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// cut is the conversation before the mark, and after it.
func cut(t lm.Text) (before, after lm.Text, found bool) {
	for i, p := range t {
		if head, tail, found := strings.Cut(p.Text, mark); found {
			before = append(t[:i:i], lm.Part{Text: head, Control: p.Control})
			after = append(lm.Text{{Text: tail, Control: p.Control}}, t[i+1:]...)
			return before, after, true
		}
	}
	return nil, nil, false
}
