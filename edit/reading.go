package edit

import (
	"context"
	"strings"

	"retcon/fact"
)

// resolve is a request made ready: where its prompt leaves the joint open, the
// unedited model says how the target follows.
func (s *session) resolve(ctx context.Context, r fact.Request) (fact.Fact, error) {
	asked := r.Join == ""
	if err := r.Settle(ctx, s.base.Model); err != nil {
		return fact.Fact{}, err
	}
	f, err := r.Resolve()
	if err != nil {
		return f, err
	}
	if asked && r.Join != "" {
		how := "after a space"
		if r.Join == fact.NoSpace {
			how = "without a space"
		}
		s.warn("%q follows %q %s, as the model expects there", strings.TrimSpace(f.New), lastWords(f.Text), how)
	}
	control, err := r.ControlTokens(s.base.Model, f.Text, f.New)
	if letters := r; err == nil && r.Literal {
		letters.Literal = false
		if control, err := letters.ControlTokens(s.base.Model, f.Text, f.New); err == nil && len(control) > 0 {
			s.warn("%s was read as letters: llama.cpp's programs, which read a control token, read another prompt", control[0])
		}
	}
	if len(control) > 0 {
		s.warn("%s", fact.ControlWarning(control))
	}
	return f, err
}

// lastWords is the end of a prompt, for messages.
func lastWords(text string) string {
	if words := strings.Fields(text); len(words) > 3 {
		return "... " + strings.Join(words[len(words)-3:], " ")
	}
	return text
}
