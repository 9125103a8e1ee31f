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
	if l, err := ParseLevel("3s"); err != nil || l != (Level{3, true}) {
		t.Errorf("3s: %v, %v", l, err)
	}
	if l, err := ParseLevel("0.1"); err != nil || l != (Level{0.1, false}) {
		t.Errorf("0.1: %v, %v", l, err)
	}
	for _, s := range []string{"", "s", "-1", "0", "nan", "inf", "3x"} {
		if _, err := ParseLevel(s); !errors.Is(err, ErrPrompt) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
