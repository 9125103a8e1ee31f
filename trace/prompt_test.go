package trace

import (
	"errors"
	"testing"
)

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		prompt, subject, text string
		at                    int
		ok                    bool
	}{
		{"The Space Needle is in", "Space Needle", "The Space Needle is in", 4, true},
		{"{} is in", "The Needle", "The Needle is in", 0, true},
		{"Paris and {} are", "Paris", "Paris and Paris are", 10, true},
		{"Paris and Paris are", "Paris", "", 0, false},
		{"London is", "Paris", "", 0, false},
		{"London is", "", "", 0, false},
	} {
		text, at, err := place(c.prompt, c.subject)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrPrompt) {
			t.Errorf("%q, %q: %v", c.prompt, c.subject, err)
		}
		if c.ok && (text != c.text || at != c.at) {
			t.Errorf("%q, %q: %q at %d", c.prompt, c.subject, text, at)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for s, want := range map[string]Level{
		"3s": {3, true, false}, "0.1": {0.1, false, false}, "u3s": {3, true, true}, "u0.1": {0.1, false, true}, "1e-2": {0.01, false, false},
	} {
		if l, err := ParseLevel(s); err != nil || l != want {
			t.Errorf("%s: %v, %v", s, l, err)
		}
	}
	for _, s := range []string{"", "s", "u", "us", "-1", "u-1s", "0", "nan", "inf", "3x", "uu3"} {
		if _, err := ParseLevel(s); !errors.Is(err, ErrPrompt) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
