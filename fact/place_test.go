package fact

import (
	"errors"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		prompt, subject, text, is, err string
	}{
		{"The Space Needle is in", "Space Needle", "The Space Needle is in", "Space Needle", ""},
		{"{} is in", "The Needle", "The Needle is in", "The Needle", ""},
		{"Paris and {} are", "Paris", "Paris and Paris are", "Paris", ""},
		{"The {} is in \t", " Needle ", "The Needle is in", "Needle", ""},
		{"Where is the {}\n", "Needle", "Where is the Needle\n", "Needle", ""},
		{"Paris and Paris are", "Paris", "", "", "as in \"{} and Paris are\""},
		{"London is", "Paris", "", "", "put {} in its place"},
		{"The london is", "London", "", "", `it has "london"`},
		{"London is", " ", "", "", "subject is empty"},
		{" ", "London", "", "", "prompt is empty"},
		{"{} and {}", "London", "", "", "more than one {}"},
		{"a\xff b", "b", "", "", "UTF-8"},
	} {
		text, begin, end, err := Place(c.prompt, c.subject)
		if c.err != "" {
			if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q, %q: %v", c.prompt, c.subject, err)
			}
			continue
		}
		if err != nil || text != c.text || text[begin:end] != c.is {
			t.Errorf("%q, %q: %q [%d, %d), %v", c.prompt, c.subject, text, begin, end, err)
		}
	}
	if _, begin, _, _ := Place("Paris and {} are", "Paris"); begin != 10 {
		t.Errorf("the marked place is at %d", begin)
	}
}
