package contexts

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/fact"
)

func TestPrefixes(t *testing.T) {
	got, err := ParsePrefixes(strings.NewReader("{}\n\\n- (1. {}\nIn short\n\nThen. {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"\n- (1. ", "In short. ", "Then. "}, got); d != "" {
		t.Error(d)
	}
	if _, err := ParsePrefixes(strings.NewReader("a {} b")); !errors.Is(err, fact.ErrRequest) {
		t.Error(err)
	}
}
