package fact_test

import (
	"context"
	"math"
	"testing"

	"retcon/fact"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// What a writer would put between the two, and where only a reader could tell.
func TestJoinOf(t *testing.T) {
	for _, c := range []struct {
		text, target string
		join         fact.Join
		certain      bool
	}{
		{"The tower is in", "Rome", fact.Space, true},
		{"The tower, in", "3 cities", fact.Space, true},
		{"Le château est à", "Évian", fact.Space, true},
		{"Where is it?", "Rome", fact.Space, true},
		{"It is in Paris (France)", "or Rome", fact.Space, true},
		{"에펠탑이 있는 도시는", "로마", fact.Space, true},
		{"塔在", "罗马", fact.NoSpace, true},
		{"The tower is in", "罗马", fact.NoSpace, true},
		{"Answer:\n", "Rome", fact.NoSpace, true},

		// opening and closing quotation marks
		{`{"name": "Eiffel Tower", "city": "`, "Rome", fact.NoSpace, true},
		{`city="`, "Rome", fact.NoSpace, true},
		{`He called it "Rome"`, "and left", fact.Space, true},
		{`The screen has 6"`, "diagonally", fact.Space, false},
		{"He said “", "Rome", fact.NoSpace, true},
		{"He said “Rome”", "and left", fact.Space, true},
		{"Er sagte „", "Rom", fact.NoSpace, true},
		{"Er sagte „Rom“", "und ging", fact.Space, true},
		{"Han sade ”", "Rom", fact.NoSpace, true},
		{"Han sade ”Rom”", "och gick", fact.Space, true},
		{"Il a dit «", "Rome", fact.NoSpace, false},
		{"Il a dit « Rome »", "et partit", fact.Space, false},
		{"Er sagte »Rom«", "und ging", fact.Space, true},
		{"彼は「", "ローマ", fact.NoSpace, true},
		{"the folder '", "Rome", fact.NoSpace, true},
		{"run `", "ls", fact.NoSpace, true},
		{"run `ls`", "twice", fact.Space, true},

		// elision, and what joins on to a word
		{"La tour Eiffel se trouve pres d'", "Oslo", fact.NoSpace, false},
		{"La tour est pres d’", "Oslo", fact.NoSpace, false},
		{"The owner of Apple", "'s garden", fact.NoSpace, true},
		{"The owner of Apple", "’s garden", fact.NoSpace, true},
		{"The owner of Apple", "'Rome'", fact.Space, false},
		{"The tower is a Rome", "-based company", fact.NoSpace, true},
		{"The temperature is", "-5", fact.Space, false},
		{"The tower does", "n't stand in Rome", fact.NoSpace, true},
		{"He lived in the 1990", "s, in Rome", fact.NoSpace, false},
		{"He lived in the 21", "st century", fact.NoSpace, false},
		{"There are 5", "streets", fact.Space, true},
		{"Preguntó: ¿", "Roma", fact.NoSpace, true},
		{"Oslo", ", Norway", fact.NoSpace, true},
		{"Oslo", "...", fact.NoSpace, true},
		{"The framework is", ".NET", fact.NoSpace, false},
		{"It is 5", "% more", fact.NoSpace, true},
		{"It is (so", ") and", fact.NoSpace, true},

		// signs
		{"The function is matrix_", "power", fact.NoSpace, true},
		{"The price is $", "5", fact.NoSpace, true},
		{"The price is £", "five", fact.NoSpace, false},
		{"It is anti-", "social", fact.NoSpace, true},
		{"Paris -", "Rome", fact.NoSpace, false},
		{"Paris –", "Rome", fact.Space, false},
		{"mail to user@", "example", fact.NoSpace, true},
		{"It is (", "Rome", fact.NoSpace, true},
		{"[", "Rome", fact.NoSpace, true},
		{"Answer:", "Rome", fact.Space, false},
		{"numpy.", "power", fact.Space, false},
		{"It has 1,", "000", fact.Space, false},
		{"Yes,", "Rome", fact.Space, true},
		{"Stop;", "Rome", fact.Space, true},
		{"50 %", "of it", fact.Space, true},
	} {
		if join, certain := fact.JoinOf(c.text, c.target); join != c.join || certain != c.certain {
			t.Errorf("%q, %q: %s, certain %v", c.text, c.target, join, certain)
		}
	}
}

// reader is a model that expects what follows, with or without a space.
type reader struct {
	*fakemodel.Model
	follows map[string]float64
	asked   int
}

func (r *reader) Logits(ctx context.Context, tokens []int32, fn func(pos int, logits []float32) error) error {
	r.asked++
	row := make([]float32, r.About.Vocab)
	for i := range row {
		row[i] = -30
	}
	for text, p := range r.follows {
		all, err := r.Tokenize(text, false)
		if err != nil {
			return err
		}
		row[all[0].ID] = float32(math.Log(p))
	}
	for i := range tokens {
		if err := fn(i, row); err != nil {
			return err
		}
	}
	return nil
}

// A model decides what the text leaves open, by what it expects there of the
// target's kind.
func TestSettle(t *testing.T) {
	m := &reader{Model: fakemodel.New(), follows: map[string]float64{" Tower": 0.2, "Rome": 0.3, " ": 0.5, "'": 0.6, " is": 0.05}}
	for _, c := range []struct {
		prompt, target string
		join           fact.Join
		text           string
		asked          int
	}{
		{"The Tower is d'", "Rome", fact.NoSpace, "Rome", 1},
		{"The Tower is in", "Rome", "", " Rome", 0},
		{"The Tower is -", "'Rome'", fact.NoSpace, "'Rome'", 1},
	} {
		m.asked = 0
		r := fact.Request{Prompt: c.prompt, Subject: "Tower", TargetNew: c.target}
		if err := r.Settle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		f, err := r.Resolve()
		if err != nil || f.New != c.text || r.Join != c.join || m.asked != c.asked {
			t.Errorf("%q: %q, join %q, asked %d, %v", c.prompt, f.New, r.Join, m.asked, err)
		}
	}
	r := fact.Request{Prompt: "The Tower is d'", Subject: "Tower", TargetNew: "Rome", Join: fact.Space, Paraphrases: []string{"It is l'", "It is in", " It is d' "}}
	m.asked = 0
	if err := r.Settle(t.Context(), m, fact.Question{Prompt: "x -", Answer: "Rome"}, fact.Question{Prompt: "x -"}); err != nil {
		t.Fatal(err)
	}
	if f, _ := r.Resolve(); f.New != " Rome" || m.asked != 3 {
		t.Errorf("a joint that was given: %q, asked %d times", f.New, m.asked)
	}
	row, err := r.Row(m, nil, " It is l' ", "Rome")
	if err != nil || m.Text(row.Tokens) != "It is l'Rome" {
		t.Errorf("another prompt: %q, %v", m.Text(row.Tokens), err)
	}
	if err := r.Settle(t.Context(), m); err != nil || m.asked != 3 {
		t.Errorf("asked again: %d, %v", m.asked, err)
	}
}

// What is scored is what is edited: a joint that was given is that of the request's
// own prompt in every row.
func TestJoinInRows(t *testing.T) {
	m := fakemodel.New()
	for join, want := range map[fact.Join]string{fact.NoSpace: "The Tower is in|Rome", fact.Space: "The Tower is in| Rome", "": "The Tower is in| Rome"} {
		r := fact.Request{Prompt: "The {} is in ", Subject: "Tower", TargetNew: "Rome", Join: join}
		f, err := r.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		row, err := r.Row(m, nil, f.Text, r.TargetNew)
		if got := m.Text(row.Tokens[:row.From]) + "|" + m.Text(row.Tokens[row.From:]); err != nil || got != want || f.Text+"|"+f.New != want {
			t.Errorf("%q: %q, the fact %q, %v", join, got, f.Text+"|"+f.New, err)
		}
		other, err := r.Row(m, nil, "Rome is in", "Tower")
		if got := m.Text(other.Tokens); err != nil || got != "Rome is in Tower" {
			t.Errorf("%q: another prompt: %q, %v", join, got, err)
		}
	}
}

var _ lm.Scorer = (*reader)(nil)
