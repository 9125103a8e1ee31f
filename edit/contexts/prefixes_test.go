package contexts

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/fact"
)

func TestPrefixes(t *testing.T) {
	got, err := ParsePrefixes(strings.NewReader("{}\n\\n- (1. {}\nIn short\n\nThen. {}\n"), true)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"\n- (1. ", "In short. ", "Then. "}, got); d != "" {
		t.Error(d)
	}
	if got, err := ParsePrefixes(strings.NewReader(`a\tb \x`), false); !slices.Equal(got, []string{`a\tb \x. `}) || err != nil {
		t.Errorf("without escapes: %q, %v", got, err)
	}
	for _, raw := range []string{"\ufeffIn short\r\nThen\r\n", "\xff\xfeI\x00n\x00 \x00s\x00h\x00o\x00r\x00t\x00\n\x00T\x00h\x00e\x00n\x00"} {
		if got, err := ParsePrefixes(strings.NewReader(raw), true); !slices.Equal(got, []string{"In short. ", "Then. "}) || err != nil {
			t.Errorf("%q: %q, %v", raw, got, err)
		}
	}
	for raw, says := range map[string]string{"a\xffb": "at byte 1 ", "a\x00": "zero byte", `a\xff`: "no text", `a\x00`: "no text", strings.Repeat("x", 1<<17): "longer than"} {
		if _, err := ParsePrefixes(strings.NewReader(raw), true); !errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.9q: %v", raw, err)
		}
	}
	if _, err := ParsePrefixes(strings.NewReader("a {} b"), true); !errors.Is(err, fact.ErrRequest) {
		t.Error(err)
	}
}
