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
	notes, err := r.ControlNotes(s.base.Model, f.Text, f.New)
	for _, note := range notes {
		s.warn("%s", note)
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
