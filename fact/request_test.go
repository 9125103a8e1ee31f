package fact

import (
	"errors"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		prompt, subject, target string
		text, subjectIs, next   string
		err                     string
	}{
		{"The Eiffel Tower is in", "Eiffel Tower", "Rome", "The Eiffel Tower is in", "Eiffel Tower", " Rome", ""},
		{"The {} is in ", "Eiffel Tower", " Rome ", "The Eiffel Tower is in", "Eiffel Tower", " Rome", ""},
		{"{}, by", "LinkedIn", "Paris", "LinkedIn, by", "LinkedIn", " Paris", ""},
		{"Rome and {Rome} and Rome", "Rome", "x", "Rome and Rome and Rome", "Rome", " x", ""},
		{"Die Hauptstadt von Österreich ist", "Österreich", "Köln", "Die Hauptstadt von Österreich ist", "Österreich", " Köln", ""},
		{"埃菲尔铁塔位于", "埃菲尔铁塔", "罗马", "埃菲尔铁塔位于", "埃菲尔铁塔", "罗马", ""},
		{"Q: Where is Oslo?\n", "Oslo", "Rome", "Q: Where is Oslo?\n", "Oslo", "Rome", ""},
		{"Oslo is (", "Oslo", "Rome", "Oslo is (", "Oslo", "Rome", ""},
		{"Oslo", "Oslo", ", Rome", "Oslo", "Oslo", ", Rome", ""},
		{"", "a", "b", "", "", "", "prompt is empty"},
		{"a b", " ", "b", "", "", "", "subject is empty"},
		{"a b", "a", " \n", "", "", "", "target is empty"},
		{"The tower", "Eiffel", "b", "", "", "", "put {} in its place"},
		{"The eiffel", "Eiffel", "b", "", "", "", `write it as "eiffel"`},
		{"Rome is in Rome or", "Rome", "b", "", "", "", `as in "{Rome} is in Rome or"`},
		{"Rome and {} or", "Rome", "b", "", "", "", "which place is meant"},
		{"aaa", "aa", "b", "", "", "", "more than once"},
		{"{} or {}", "Rome", "b", "", "", "", "more than one {}"},
		{"a\xff b", "b", "c", "", "", "", "UTF-8"},
		{"a\x00 b", "b", "c", "", "", "", "zero byte"},
	} {
		f, err := Request{Record: 7, Prompt: c.prompt, Subject: c.subject, TargetNew: c.target}.Resolve()
		if c.err != "" {
			if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "request 7: ") {
				t.Errorf("%q: %v", c.prompt, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.prompt, err)
			continue
		}
		if f.Text != c.text && f.Text != strings.TrimRight(c.text, " ") || f.Text[f.Begin:f.End] != c.subjectIs {
			t.Errorf("%q: %q, subject %q", c.prompt, f.Text, f.Text[f.Begin:f.End])
		}
		if f.New != c.next {
			t.Errorf("%q: target %q", c.prompt, f.New)
		}
	}
}

func TestStartsWith(t *testing.T) {
	for _, c := range []struct {
		said, target string
		want         bool
	}{
		{" Rome, Italy", "Rome", true}, {"Rome", " Rome", true}, {" Romeo", "Rome", false}, {" In Rome", "Rome", false},
		{" 罗马城", "罗马", true}, {" New York is", "New York", true}, {" New", "New York", false}, {" 1996.", "1996", true}, {" 19967", "1996", false},
	} {
		if got := StartsWith(c.said, c.target); got != c.want {
			t.Errorf("%q starts with %q: %v", c.said, c.target, got)
		}
	}
}
