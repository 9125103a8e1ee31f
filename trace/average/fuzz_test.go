package average

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParseFacts: whatever a file holds, reading it ends in facts that can be
// traced or in an error of the file.
func FuzzParseFacts(f *testing.F) {
	for _, s := range []string{
		`{"prompt": "{} is in", "subject": "x", "answer": "y", "subject_swap": "z"}`, `[{"known_id": 7, "subject": "A", "attribute": "c", "template": "{} is"}]`,
		`{"requested_rewrite": [{"prompt": "{} is", "subject": "x", "target_true": {"str": "y"}}]}`, "\xff\xfe[\x00", `{"id": -1e9, "prompt": "\ud83d"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := ParseFacts(strings.NewReader(text))
		if err != nil && !errors.Is(err, ErrFacts) {
			t.Fatalf("an error of another kind: %v", err)
		}
		for i, f := range facts {
			if f.Record != i+1 || f.check() != nil {
				t.Fatalf("%+v: %v", f, f.check())
			}
		}
	})
}
