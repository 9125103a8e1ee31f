package fact_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// words splits as pieces does, into ids of their own.
type words struct {
	cuts []string
	ids  map[string]int32
}

func (w words) Tokenize(text string, special bool) ([]lm.Token, error) {
	tokens, err := pieces{fakemodel.New(), w.cuts}.Tokenize(text, special)
	for i, t := range tokens {
		piece := text[t.Begin:t.End]
		if _, ok := w.ids[piece]; !ok {
			w.ids[piece] = int32(len(w.ids))
		}
		tokens[i].ID = w.ids[piece]
	}
	return tokens, err
}

func (w words) Text(tokens []int32) string {
	var b strings.Builder
	for _, id := range tokens {
		for piece, i := range w.ids {
			if i == id {
				b.WriteString(piece)
			}
		}
	}
	return b.String()
}

func (words) EndsText(int32) bool { return false }

func tokenizer(cuts ...string) words { return words{cuts, map[string]int32{}} }

func TestCheckPrompt(t *testing.T) {
	tokens := make([]int32, 5)
	for _, c := range []struct {
		begin, end, context int
		want                string // in the error; "" for none
	}{
		{0, 5, 5, ""}, {4, 5, 9, ""},
		{-1, 2, 9, "[-1, 2) are not in a prompt of 5"}, {2, 2, 9, "[2, 2)"}, {3, 6, 9, "[3, 6)"},
		{0, 1, 4, "5 tokens, the model's context 4"},
	} {
		err := fact.Prompt{Tokens: tokens, Begin: c.begin, End: c.end}.Check(c.context)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNewPrompt(t *testing.T) {
	m := tokenizer("The", " Ei", "ffel", " Tow", "er's", " is", " in")
	p, err := fact.NewPrompt(m, "The {}'s is in ", " Eiffel Tower ")
	if err != nil || p.Text != "The Eiffel Tower's is in" {
		t.Fatalf("%+v, %v", p, err)
	}
	// a token with text of the subject is one of its tokens, whatever else it has
	if p.Begin != 1 || p.End != 5 || len(p.Tokens) != 7 {
		t.Errorf("tokens [%d, %d) of %d", p.Begin, p.End, len(p.Tokens))
	}
	f, err := fact.Request{Prompt: "The {}'s is in ", Subject: " Eiffel Tower ", TargetNew: "Rome"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if q, err := f.InTokens(m); err != nil || !slices.Equal(q.Tokens, p.Tokens) || q.Begin != p.Begin || q.End != p.End {
		t.Errorf("where an edit finds it: %+v, %v", q, err)
	}
	if _, err := fact.NewPrompt(m, "The tower", "Eiffel"); !errors.Is(err, fact.ErrRequest) {
		t.Error(err)
	}
}

// A swapped prompt differs from the prompt in the subject's tokens alone, and
// swapping back gives the prompt.
func TestSwap(t *testing.T) {
	m := tokenizer("The", " Eiffel", " Tower", " Space", " Needle", " Louvre", " is", " in", " Big", " Ben is")
	p, err := fact.NewPrompt(m, "The {} is in", "Eiffel Tower")
	if err != nil {
		t.Fatal(err)
	}
	q, err := p.Swap(m, " Space Needle ")
	if err != nil {
		t.Fatal(err)
	}
	if q.Text != "The Space Needle is in" || q.Begin != 1 || q.End != 3 || len(q.Tokens) != 5 || slices.Equal(q.Tokens, p.Tokens) {
		t.Errorf("%+v for %+v", q, p)
	}
	if back, err := q.Swap(m, "Eiffel Tower"); err != nil || back.Text != p.Text || !slices.Equal(back.Tokens, p.Tokens) {
		t.Errorf("back: %+v, %v", back, err)
	}
	for other, says := range map[string]string{
		"Louvre": `"Eiffel Tower" has 2 tokens here and "Louvre" has 1 token`, "": "is empty", "Eiffel Tower": "the prompt's own",
		"Big Ben": "other tokens change", "a\x00": "zero byte",
	} {
		if _, err := p.Swap(m, other); !errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", other, err)
		}
	}
	if _, err := (fact.Prompt{Tokens: []int32{1}, End: 1}).Swap(m, "x"); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("a prompt by hand: %v", err)
	}
}

// The first token of what follows is that of the text after the prompt; the two
// are split apart where a token would cover both.
func TestNext(t *testing.T) {
	m := tokenizer("Oslo", " of", " offshore", "fsh", " Se", "attle")
	p, err := fact.NewPrompt(m, "Oslo of", "Oslo")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{" Seattle": " Se", "fshore": "fsh"} {
		if id, err := p.Next(m, text); err != nil || id != m.ids[want] {
			t.Errorf("%q: token %d, %v", text, id, err)
		}
	}
	if _, err := p.Next(m, ""); !errors.Is(err, fact.ErrRequest) {
		t.Error(err)
	}
	other := p
	other.Tokens = append([]int32{99}, p.Tokens[1:]...)
	if _, err := other.Next(m, " Seattle"); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("other tokens: %v", err)
	}
}

// gaps is a tokeniser that puts BOS in front, leaves blanks out and merges over
// them: its tokens' places have gaps between them.
type gaps struct{}

func (gaps) Tokenize(text string, _ bool) ([]lm.Token, error) {
	out := []lm.Token{{ID: 1}}
	for i := 0; i < len(text); i++ {
		if text[i] != ' ' {
			out = append(out, lm.Token{ID: 2, Begin: i, End: i + 1})
		}
	}
	return out, nil
}

func (gaps) Text(tokens []int32) string { return strings.Repeat("x", len(tokens)) }

func (gaps) EndsText(int32) bool { return false }

// Pieces are the whole text, whatever a tokeniser leaves out.
func TestPieces(t *testing.T) {
	for _, text := range []string{"The é is in", " The  é is 🗼 in\n", "é"} {
		p, err := fact.NewPrompt(gaps{}, text, "é")
		if err != nil {
			t.Fatal(err)
		}
		all := p.Pieces()
		if joined := string(slices.Concat(all...)); joined != p.Text || len(all) != len(p.Tokens) || len(all[0]) != 0 {
			t.Errorf("%q: %q", text, all)
		}
	}
	if all := (fact.Prompt{Text: "ab", Tokens: []int32{1, 2}}).Pieces(); all != nil {
		t.Errorf("a prompt made by hand has %q", all)
	}
}
