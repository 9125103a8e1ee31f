package fact_test

import (
	"slices"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// pieces splits at given places, as a tokeniser with odd merges does.
type pieces struct {
	*fakemodel.Model
	cuts []string
}

func (p pieces) Tokenize(text string, _ bool) ([]lm.Token, error) {
	var out []lm.Token
	for at := 0; at < len(text); {
		n := 1
		for _, c := range p.cuts {
			if strings.HasPrefix(text[at:], c) {
				n = len(c)
				break
			}
		}
		out = append(out, lm.Token{ID: int32(text[at]), Begin: at, End: at + n})
		at += n
	}
	return out, nil
}

func TestTokenise(t *testing.T) {
	f, err := fact.Request{Prompt: "a Bc's is", Subject: "Bc", TargetNew: "de"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cuts              []string
		subject, prompt   int
		target            int
		straddles, joined bool
	}{
		"clean":     {[]string{" Bc", "'s", " is", " de"}, 1, 4, 1, false, false},
		"straddles": {[]string{" B", "c's", " is", " de"}, 2, 4, 1, true, false},
		"merged":    {[]string{" Bc", "'s", " is de", " is", " de"}, 1, 4, 1, false, true},
	} {
		s, err := fact.Tokenize(pieces{fakemodel.New(), c.cuts}, f, "", f.New)
		if err != nil {
			t.Fatal(name, err)
		}
		if s.Subject != c.subject || s.Prompt != c.prompt || len(s.Target) != c.target || s.Straddles != c.straddles {
			t.Errorf("%s: %+v", name, s)
		}
		if got := s.Scored(); len(got.Tokens) != c.prompt+c.target || len(s.Tokens) != len(got.Tokens)-1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	m := fakemodel.New()
	m.Bos = true
	with, err := fact.Tokenize(m, f, "", f.New)
	if err != nil {
		t.Fatal(err)
	}
	m.Bos = false
	without, _ := fact.Tokenize(m, f, "", f.New)
	if with.Subject != without.Subject+1 || !slices.Equal(with.Target, without.Target) {
		t.Errorf("with BOS %+v, without %+v", with, without)
	}
}
