package eval

import (
	"context"
	"errors"
	"math"
	"testing"

	"retcon/fact"
	"retcon/lm"
)

// told predicts what a table says of each row, in the order of the rows.
type told struct {
	*fakeModel
	rows [][]lm.Prediction
}

func (m told) Predict(_ context.Context, rows []lm.Scored) ([][]lm.Prediction, error) {
	return m.rows[:len(rows)], nil
}

func p(nll float64, first bool) []lm.Prediction {
	return []lm.Prediction{{LogProb: -nll, First: first}}
}

// Hand-made negative log-likelihoods of the new and the old answer on a rewrite
// prompt, two paraphrases and three neighbourhood prompts.
func TestChoices(t *testing.T) {
	m := told{newFake(), [][]lm.Prediction{
		{{LogProb: -1, First: true}, {LogProb: -3, First: false}}, p(2.5, false), // mean 2 against 2.5: the new one is likelier
		{{LogProb: -1, First: true}, {LogProb: -2, First: true}}, p(1.25, false), // 1.5 against 1.25: it is not
		{{LogProb: -0.5, First: false}, {LogProb: -0.5, First: true}}, p(0.5, true), // a draw does not count
		{{LogProb: -4, First: false}, {LogProb: -4, First: false}}, p(1, true), // kept
		{{LogProb: -4, First: false}, {LogProb: -4, First: false}}, p(1, false), // kept
		{{LogProb: -1, First: true}, {LogProb: -2, First: true}}, p(1.5, false), // a draw does not count here either
	}}
	rec := capital()
	s := &Scorer{Model: m, Stages: []Stage{Likelihood}}
	job, err := s.Job(&rec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := job.Score(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	e := math.Exp
	for name, want := range map[string]float64{
		Efficacy: 100, EfficacyMagnitude: 100 * (e(-2) - e(-2.5)), EfficacyAccuracy: 0,
		Paraphrase: 0, ParaphraseMagnitude: 100 * (e(-1.5) - e(-1.25) + e(-0.5) - e(-0.5)) / 2, ParaphraseAccuracy: 50,
		Neighbourhood: 100 * 2. / 3, NeighbourhoodMagnitude: 100 * (2*(e(-1)-e(-4)) + e(-1.5) - e(-1.5)) / 3, NeighbourhoodAccuracy: 100. / 3,
	} {
		near(t, name, r.Values[name], want)
	}
	if len(r.Values) != 9 {
		t.Errorf("%d values: %v", len(r.Values), r.Values)
	}
	if len(r.NLL.New) != 6 || len(r.NLL.True) != 6 || r.NLL.New[0] != 2 || r.NLL.True[5] != 1.5 {
		t.Errorf("%+v", r.NLL)
	}
}

// zsRE's: shares of tokens that come first.
func TestTokenShares(t *testing.T) {
	m := told{newFake(), [][]lm.Prediction{
		{{LogProb: -1, First: true}, {LogProb: -1, First: false}}, {{LogProb: -1, First: true}, {LogProb: -1, First: true}}, {{LogProb: -9, First: true}, {LogProb: -9, First: false}, {LogProb: -9, First: false}},
	}}
	rec := fact.Record{Tokens: true, Locality: []fact.Question{{Prompt: "who wrote it?", Answer: "a man named Bill"}},
		Request: fact.Request{Prompt: "Where is {}?", Subject: "Eiffel", TargetNew: "old Rome", TargetTrue: "Paris", Paraphrases: []string{"Eiffel is where?"}}}
	s := &Scorer{Model: m, Stages: []Stage{Likelihood}}
	job, err := s.Job(&rec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := job.Score(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{Efficacy: 50, Paraphrase: 100, Specificity: 100. / 3, EfficacyAccuracy: 0, ParaphraseAccuracy: 100} {
		near(t, name, r.Values[name], want)
	}
	if len(r.Values) != 5 || r.NLL != nil {
		t.Errorf("%v, %v", r.Values, r.NLL)
	}
}

// Questions of other matters are scored together, also beside two answers; one
// whose answer is not known is not.
func TestLocality(t *testing.T) {
	m := told{newFake(), [][]lm.Prediction{
		{{LogProb: -1, First: true}}, {{LogProb: -2}}, {{LogProb: -9, First: true}, {LogProb: -9}}, {{LogProb: -9, First: true}}, {{LogProb: -9, First: true}, {LogProb: -9}},
	}}
	rec := fact.Record{Portability: []fact.Question{{Prompt: "Eiffel is", Answer: "old Rome"}}, Locality: []fact.Question{{Prompt: "Where is Louvre?", Answer: "old Paris"}, {Prompt: "Where is Louvre?"}, {Prompt: "Eiffel is", Answer: "Rome"}},
		Request: fact.Request{Prompt: "Where is {}?", Subject: "Eiffel", TargetNew: "Rome", TargetTrue: "Paris"}}
	job, err := (&Scorer{Model: m, Stages: []Stage{Likelihood}}).Job(&rec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := job.Score(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	near(t, Specificity, r.Values[Specificity], 75)
	near(t, Portability, r.Values[Portability], 50)
	near(t, Efficacy, r.Values[Efficacy], 100)
	if len(r.NLL.New) != 1 || len(r.NLL.True) != 1 {
		t.Errorf("%+v", r.NLL)
	}
}

// Where a record names no old answer, only what the new one's tokens say is
// scored.
func TestNoOldAnswer(t *testing.T) {
	rec := capital()
	rec.Request.TargetTrue = ""
	s := &Scorer{Model: newFake(), Stages: []Stage{Likelihood}}
	job, err := s.Job(&rec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := job.Score(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Values[EfficacyAccuracy]; !ok || len(r.Values) != 2 {
		t.Errorf("%v", r.Values)
	}
}

// The target's likelihood is that of its own tokens and of no other.
func TestTokenise(t *testing.T) {
	for _, bos := range []bool{false, true} {
		m := newFake()
		m.bos = bos
		row, err := new(fact.Request).Row(m, nil, "Eiffel is in", "old Rome")
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Text(row.Tokens[row.From:]); got != " old Rome" {
			t.Errorf("bos %v: the target is %q", bos, got)
		}
		if got := m.Text(row.Tokens); got != "Eiffel is in old Rome" {
			t.Errorf("bos %v: the row is %q", bos, got)
		}
	}
	// the fake reads "in" and the target after a bracket as one word each, but
	// letters that follow letters as one: split apart there
	m := newFake()
	row, err := new(fact.Request).Row(m, nil, "長城は", "北京")
	if err != nil || m.Text(row.Tokens[row.From:]) != "北京" || m.Text(row.Tokens[:row.From]) != "長城は" {
		t.Errorf("%v, %v", row, err)
	}
	long := "a"
	for range 70 {
		long += " a"
	}
	if _, err := new(fact.Request).Row(m, nil, long, "b"); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("a prompt longer than the context: %v", err)
	}
}
