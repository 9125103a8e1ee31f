package eval

import (
	"errors"
	"math"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/lm"
)

func TestMentions(t *testing.T) {
	for _, c := range []struct {
		text, target string
		want         bool
		other        string
	}{
		{"It stands in Rome.", "Rome", true, ""},
		{"ROME", " Rome", true, ""},
		{"Romeo lives in Verona", "Rome", false, ""},
		{"the Chrome browser", "rome", false, ""},
		{"Romeo, then Rome", "Rome", true, ""},
		{"Jerome's Rome", "Rome", true, ""},
		{"New York City", "new york", true, ""},
		{"in Paris (France)", "Paris", true, ""},
		{"", "Rome", false, ""},
		{"anything", "", false, ""},
		{"それは東京です", "東京", true, ""},
		{"C++ and Go", "Go", true, ""},
		{"in New York City", "New York", false, "New York City"},
		{"in New York City and New York State", "New York", true, "New York City"},
		{"in New York", "New York", true, "New York City"},
	} {
		if got := mentions(c.text, c.target, c.other); got != c.want {
			t.Errorf("%q mentions %q: %v", c.text, c.target, got)
		}
	}
}

// The values are those that Predict and Generate give, row by row, for
// conversations spelled out by hand.
func TestChat(t *testing.T) {
	m, rec := newFake(), capital()
	fact, err := rec.Request.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	c, err := newChat(m, &rec, fact)
	if err != nil {
		t.Fatal(err)
	}
	v := Values{}
	answer, err := c.run(t.Context(), m, v)
	if err != nil {
		t.Fatal(err)
	}
	tokens := func(text string) []int32 {
		all, _ := m.Tokenize(text, true)
		return lm.IDs(all)
	}
	free, _ := m.Generate(t.Context(), [][]int32{tokens("<user>Complete the sentence: Eiffel is in<assistant>")}, c.length, 1, 0, true)
	if want := m.Text(free[0]); answer != want || v[ChatNew] != asShare(mentions(want, "old Rome", "Paris")) || v[ChatOld] != asShare(mentions(want, "Paris", "old Rome")) {
		t.Errorf("%q instead of %q: %v", answer, want, v)
	}
	nll := func(prompt, target string) float64 {
		before := "<user>Complete the sentence: " + prompt + "<assistant>" + prompt
		row := lm.Scored{Tokens: tokens(before + target), From: len(tokens(before))}
		made, _ := m.Predict(t.Context(), []lm.Scored{row})
		return meanNLL(made[0])
	}
	kept := 0.
	for _, p := range rec.Request.Neighbours {
		if nll(p, " Paris") < nll(p, " old Rome") {
			kept++
		}
	}
	near(t, ChatNeighbourhood, v[ChatNeighbourhood], 100*kept/3)
	near(t, ChatEfficacy, v[ChatEfficacy], asShare(nll("Eiffel is in", " old Rome") < nll("Eiffel is in", " Paris")))
	if len(c.rows) != 8 || math.IsNaN(v[ChatMatch]) {
		t.Errorf("%d rows, %v", len(c.rows), v)
	}
	m.shift[" old"] = 30 // whatever is asked, the model says "old"
	v = Values{}
	if answer, err = c.run(t.Context(), m, v); err != nil || !strings.HasPrefix(answer, " old") || v[ChatEfficacy] != 100 {
		t.Errorf("edited: %q, %v, %v", answer, v, err)
	}
}

// A record's own question is asked; zsRE's prompt is one, and is not completed.
func TestChatQuestions(t *testing.T) {
	m := newFake()
	rec := capital()
	rec.Request.Question = "Where is Eiffel?"
	zsre := fact.Record{Tokens: true, Request: fact.Request{Prompt: "Where is Eiffel?", Subject: "Eiffel", TargetNew: "Rome"}}
	for _, r := range []fact.Record{rec, zsre} {
		fact, err := r.Request.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		c, err := newChat(m, &r, fact)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Text(c.question); got != "<user>Where is Eiffel?<assistant>" {
			t.Errorf("%q is asked", got)
		}
		if (c.begun == nil) != r.Tokens {
			t.Errorf("zsRE %v: %d rows", r.Tokens, len(c.rows))
		}
	}
}

// silent is a model without a chat template.
type silent struct{ *fakeModel }

func (silent) Chat([]lm.Message, bool) (lm.Text, error) { return nil, errors.New("no template here") }

func TestChatWithoutTemplate(t *testing.T) {
	rec := capital()
	s := &Scorer{Model: silent{newFake()}, Stages: []Stage{Chat}}
	if _, err := s.Job(&rec); !errors.Is(err, lm.ErrUnsupported) || !strings.Contains(err.Error(), "no template here") {
		t.Error(err)
	}
}
