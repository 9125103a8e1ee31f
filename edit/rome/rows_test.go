package rome

import (
	"strings"
	"testing"

	"retcon/edit/contexts"
	"retcon/internal/fakemodel"
)

// The rows of a fact in conversations end with its target, and the subject is
// found inside them.
func TestChatRows(t *testing.T) {
	m := fakemodel.New()
	f, err := fakemodel.Eiffel.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]int{"": 0, contexts.Answer: len(contexts.Openers), contexts.Turn: len(contexts.Tasks), contexts.Both: len(contexts.Openers) + len(contexts.Tasks)} {
		rows, err := rowsOf(m, f, []string{"You know. "}, kind)
		if err != nil {
			t.Fatal(err)
		}
		spans := rows.spans[2:]
		if len(spans) != want {
			t.Fatalf("%q: %d rows instead of %d", kind, len(spans), want)
		}
		for _, s := range spans {
			text := m.Text(append(append([]int32(nil), s.Tokens[:s.Prompt]...), s.Target...))
			if !strings.HasPrefix(text, "[user]") || !strings.HasSuffix(m.Text(s.Target), "Rome") {
				t.Errorf("%q: %q", kind, text)
			}
			if got := m.Text(s.Tokens[s.Subject : s.Subject+1]); got != " Tower" {
				t.Errorf("%q: the subject ends with %q", kind, got)
			}
			answered := strings.Index(text, "[assistant]\n")
			inTurn := strings.Index(text, f.Text) > answered
			if answered < 0 || kind == contexts.Answer && !inTurn || kind == contexts.Turn && inTurn {
				t.Errorf("%q: %q", kind, text)
			}
			if target := m.Text(s.Target); inTurn != (target == " Rome") {
				t.Errorf("%q: the target is %q", kind, target)
			}
		}
	}
}
