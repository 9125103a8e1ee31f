package fact

import (
	"strings"
	"testing"
)

func TestParticles(t *testing.T) {
	for _, c := range []struct {
		said, target string
		want         bool
	}{
		{" 로마다. 로마는", "로마", true},
		{" 로마입니다.", "로마", true},
		{" 로마에 있다", "로마", true},
		{" 로마니아", "로마", false},
		{" 한국어", "한국", false},
		{"Rome은 도시", "Rome", true},
		{" Roman", "Rom", false},
		{" İstanbul'dadır", "İstanbul", true},
	} {
		if got := StartsWith(c.said, c.target); got != c.want {
			t.Errorf("%q tells %q: %v", c.said, c.target, got)
		}
	}
}

func TestTold(t *testing.T) {
	for _, c := range []struct {
		new, old, said string
		want           bool
		note           string
	}{
		{"New York", "New York City", " New York City's iconic", false, "is how the old one begins"},
		{"New York", "New York City", " New York. It", true, "is how the old one begins"},
		{"New York State", "New York", " New York State.", true, "begins with the old one"},
		{"New York State", "New York", " New York.", false, "begins with the old one"},
		{"Rome", " Rome ", " Rome.", true, "the same"},
		{"Rome", "Rome.", " Rome.", true, "the same"},
		{"New York", "New  York", " New York", true, "the same"},
		{"Café", "Cafe\u0301", " Café", true, "the same"},
		{"Malay", "Malayalam", " Malay,", true, ""},
		{"北京", "北京市", "北京市。", false, "is how the old one begins"},
		{"Rome", "", " Rome", true, ""},
		{"Rome", "<|endoftext|>", " Rome", true, ""},
	} {
		f, err := Request{Prompt: "{} stands in", Subject: "It", TargetNew: c.new, TargetTrue: c.old}.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(f.AnswerNotes(), "; ")
		if f.Told(c.said) != c.want || (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
			t.Errorf("%q for %q, said %q: %v, %q", c.new, c.old, c.said, f.Told(c.said), notes)
		}
		if same := c.note == "the same"; f.SameOld() != same || same && f.Old != "" {
			t.Errorf("%q for %q: the same is %v, old %q", c.new, c.old, f.SameOld(), f.Old)
		}
	}
	f, _ := Request{Prompt: "{} stands in", Subject: "It", TargetNew: "New York", TargetTrue: "New York City Hall"}.Resolve()
	for next, want := range map[string]bool{".": true, " City": false, " Ci": false, "ers": false, " in": true, " City Hall": false} {
		if f.Ends(next) != want {
			t.Errorf("%q ends the answer: %v", next, !want)
		}
	}
}

// A subject as long as the prompt is named, stops and quotes aside.
func TestWholePrompt(t *testing.T) {
	for prompt, subject := range map[string]string{
		"Who painted the Mona Lisa?": "Who painted the Mona Lisa", "{}": "The capital of France is", `"{}"`: "Paris", "Paris": "Paris",
	} {
		f, err := Request{Prompt: prompt, Subject: subject, TargetNew: "x"}.Resolve()
		if err != nil || !strings.Contains(strings.Join(f.SubjectNotes(), ""), "this wording only") {
			t.Errorf("%q in %q: %v, %v", subject, prompt, f.SubjectNotes(), err)
		}
	}
	f, err := Request{Prompt: "{} is in", Subject: "Paris", TargetNew: "x"}.Resolve()
	if err != nil || len(f.SubjectNotes()) > 0 {
		t.Error(f.SubjectNotes(), err)
	}
}
