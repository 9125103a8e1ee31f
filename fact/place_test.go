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
		{"Paris and {} are", "Paris", "", "", `which place is meant? Write {Paris} there, as in "Paris and {Paris} are" or "{Paris} and {} are"`},
		{"Paris and {Paris} are", "Paris", "Paris and Paris are", "Paris", ""},
		{"written {} and the {Paris} is", "Paris", "written {} and the Paris is", "Paris", ""},
		{"{} and {} and {Paris} are", "Paris", "{} and {} and Paris are", "Paris", ""},
		{"{Paris} and {Paris} are", "Paris", "", "", "more than once"},
		{"The {Paris} is", "Paris", "The {Paris} is", "Paris", ""},
		{"Parisians know that {} is", "Paris", "Parisians know that Paris is", "Paris", ""},
		{"The {} is in \t", " Needle ", "The Needle is in", "Needle", ""},
		{"Where is the {}\n", "Needle", "Where is the Needle\n", "Needle", ""},
		{"Paris and Paris are", "Paris", "", "", `as in "{Paris} and Paris are"`},
		{"London is", "Paris", "", "", "put {} in its place"},
		{"The london is", "London", "", "", `other capitals; write it as "london"`},
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
	if _, begin, _, _ := Place("Paris and {Paris} are", "Paris"); begin != 10 {
		t.Errorf("the marked place is at %d", begin)
	}
}

// Of several places the one is taken where the subject is a word.
func TestPlaceOfWord(t *testing.T) {
	for _, c := range []struct {
		prompt, subject string
		at              int // -1: not certain
	}{
		{"Romeo was born in Rome, so he lived in", "Rome", 18},
		{"Rome and the Romeo of Rome are in", "Rome", -1},
		{"Romeo and Romeo are", "Rome", -1},
		{"Ärger is no Är in", "Är", 13},
		{"罗马罗马位于", "罗马", -1}, // no spaces tell where a word ends
	} {
		_, at, _, err := Place(c.prompt, c.subject)
		if (err != nil) != (c.at < 0) || err == nil && at != c.at {
			t.Errorf("%q in %q: %d, %v", c.subject, c.prompt, at, err)
		}
	}
	if _, _, _, err := Place("Romeo of Rome and of Rome is", "Rome"); err == nil || !strings.Contains(err.Error(), `as in "Romeo of {Rome} and of Rome is"`) {
		t.Error(err)
	}
}

// A template says by its form which place is the subject's.
func TestFill(t *testing.T) {
	for _, c := range []struct{ template, subject, want string }{
		{"{} is in", "Paris", "{} is in"}, {"Paris, of {}, is", "Paris", "Paris, of {Paris}, is"},
		{"Parisians of {} are", "Paris", "Parisians of {} are"}, {"Paris", "Paris", "Paris"}, {"{} or {} or Rome", "Rome", "{} or {} or Rome"},
	} {
		if got := Fill(c.template, c.subject); got != c.want {
			t.Errorf("%q with %q: %q", c.template, c.subject, got)
		}
	}
	if text, begin, _, err := Place(Fill("Paris, of {}, is", "Paris"), "Paris"); err != nil || begin != 10 || text != "Paris, of Paris, is" {
		t.Errorf("%q at %d, %v", text, begin, err)
	}
}

func TestPartOf(t *testing.T) {
	for _, c := range []struct{ prompt, subject, word string }{
		{"Artemis was worshipped in", "Art", "Artemis"}, {"The Artemis, by", "temis", "Artemis"}, {"The {}o was", "Rome", "Romeo"},
		{"Art is in", "Art", ""}, {"Anna's is in", "Anna", ""}, {"埃菲尔铁塔位于", "铁塔", ""}, {"에펠탑은", "에펠탑", ""}, {"In Rome", "Rome", ""},
	} {
		f, err := Request{Prompt: c.prompt, Subject: c.subject, TargetNew: "x"}.Resolve()
		if err != nil || partOf(f.Text, f.Begin, f.End) != c.word {
			t.Errorf("%q in %q: %q, %v", c.subject, c.prompt, partOf(f.Text, f.Begin, f.End), err)
		}
		if says := f.Piece(); (says != "") != (c.word != "") || !strings.Contains(says, c.word) {
			t.Errorf("%q in %q: says %q", c.subject, c.prompt, says)
		}
	}
}

// A subject that the prompt writes in another way is told how, with the words to
// copy.
func TestLooksAlike(t *testing.T) {
	for _, c := range []struct{ prompt, subject, words, why string }{
		{"Citro\u00ebn was founded in", "Citroe\u0308n", "Citro\u00ebn", "the prompt writes it in composed letters (NFC); the subject does not"},
		{"Citroe\u0308n was founded in", "Citro\u00ebn", "Citroe\u0308n", "the subject is written in composed letters (NFC); the prompt's are not"},
		{"The Eiffel\u00a0Tower is in", "Eiffel Tower", "Eiffel\u00a0Tower", "a hard space (U+00A0) where the subject has a space (U+0020)"},
		{"\u0130stanbul has an airport in", "Airport", "airport", "other capitals"},
		{"\u212a\u212a\u212a airport is in", "AIRPORT", "airport", "other capitals"},
		{"In \u0130stanbul one lives in", "i\u0307stanbul", "\u0130stanbul", "other capitals"},
		{"Anna\u2019s Diner is in", "Anna's Diner", "Anna\u2019s Diner", "the apostrophe \u2019 (U+2019) where the subject has the apostrophe ' (U+0027)"},
		{"The Stratford\u2010upon\u2010Avon is", "Stratford-upon-Avon", "Stratford\u2010upon\u2010Avon", "the dash \u2010 (U+2010)"},
		{"The Eif\u00adfel Tower is", "Eiffel Tower", "Eif\u00adfel Tower", "a character in it that is not seen (U+00AD)"},
		{"The \ufb01rst man is", "first man", "\ufb01rst man", "other forms of the same letters"},
		{"The \uff32\uff4f\uff4d\uff45 is", "Rome", "\uff32\uff4f\uff4d\uff45", "other forms of the same letters"},
		{"The STRASSE is", "stra\u00dfe", "STRASSE", "other capitals"},
		{"Anna\u2019s DINER is in", "Anna's Diner", "Anna\u2019s DINER", "the same meaning"},
	} {
		_, _, _, err := Place(c.prompt, c.subject)
		if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.why) || !strings.HasSuffix(err.Error(), "; write it as \""+c.words+"\", as it stands there") {
			t.Errorf("%q, %q: %v", c.prompt, c.subject, err)
			continue
		}
		if text, begin, end, err := Place(c.prompt, c.words); err != nil || text[begin:end] != c.words {
			t.Errorf("%q is not to copy: %v", c.words, err)
		}
	}
}
