package average

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/fact"
	"retcon/lm"
	"retcon/trace/doubt"
	"retcon/trace/result"
)

// parrot knows one continuation of each prompt; its tokens are bytes.
type parrot map[string]string

func (parrot) Tokenize(text string, _ bool) ([]lm.Token, error) {
	var out []lm.Token
	for i, b := range []byte(text) {
		out = append(out, lm.Token{ID: int32(b), Begin: i, End: i + 1})
	}
	return out, nil
}

func (parrot) Text(tokens []int32) string {
	var b []byte
	for _, t := range tokens {
		b = append(b, byte(t))
	}
	return string(b)
}

func (parrot) EndsText(int32) bool { return false }

func (p parrot) Generate(_ context.Context, prompts [][]int32, n, _ int, _ uint64, _ bool) ([][]int32, error) {
	said, ok := p[p.Text(prompts[0])]
	if !ok {
		return nil, errors.New("speechless")
	}
	tokens, _ := p.Tokenize(said, false)
	return [][]int32{lm.IDs(tokens[:min(n, len(tokens))])}, nil
}

// finding is what a test of these tests gives.
type finding struct {
	Score  int `json:"score"`
	answer string
}

func (f finding) Asked() result.Answer {
	return result.Answer{Tokens: []string{"x"}, Subject: [2]int{0, 1}, Answer: f.answer, AnswerToken: int32(f.answer[0]), PClean: 0.25}
}

func TestExperiment(t *testing.T) {
	m := parrot{"Oslo is in": "Norway.", "Rome is in": "Spain!!", "The capital of Peru is": "L"}
	answer := "N"
	traced := &result.Trace{Tokens: []string{"Oslo", " is"}, Subject: [2]int{0, 1}, PClean: 0.5, PCorrupted: 0.1, Grids: result.Grids{MLP: [][]float64{{1}}}}
	var swaps []string
	trace := func(_ context.Context, p fact.Prompt, swap string) (*result.Trace, error) {
		swaps = append(swaps, swap)
		r := *traced
		r.Answer = answer
		return &r, nil
	}
	test := func(context.Context, fact.Prompt) (Finding, error) { return finding{7, answer}, nil }
	oslo := Fact{Prompt: "{} is in", Subject: "Oslo", Answer: "Norway", SubjectSwap: "Rome"}
	run := func(x Experiment, f Fact) (Record, error) { return x.Tracer(m)(context.Background(), f) }

	rec, err := run(Experiment{Trace: trace}, oslo)
	want := Record{Status: Traced, Said: "Norway.", Tokens: traced.Tokens, Range: traced.Subject, First: "N", PClean: 0.5, PCorrupted: 0.1, Grids: traced.Grids, Doubts: []doubt.Kind{doubt.FirstToken}}
	if d := cmp.Diff(want, rec); d != "" || err != nil || swaps[0] != "Rome" {
		t.Errorf("traced: %v, swapped %q\n%s", err, swaps, d)
	}
	rec, err = run(Experiment{Test: test}, oslo)
	want = Record{Status: Traced, Said: "Norway.", Tokens: []string{"x"}, Range: [2]int{0, 1}, First: "N", PClean: 0.25, PCorrupted: 0.25, Hypothesis: []byte(`{"score":7}`), Doubts: []doubt.Kind{doubt.FirstToken}}
	if d := cmp.Diff(want, rec); d != "" || err != nil {
		t.Errorf("tested: %v\n%s", err, d)
	}
	if rec, err = run(Experiment{Trace: trace, Test: test}, oslo); err != nil || rec.PClean != 0.5 || string(rec.Hypothesis) != `{"score":7}` {
		t.Errorf("both: %+v, %v", rec, err)
	}
	if rec, err = run(Experiment{Trace: trace}, Fact{Prompt: "{} is in", Subject: "Rome", Answer: "Italy"}); err != nil || rec.Status != Wrong || rec.Said != "Spain!!" {
		t.Errorf("a wrong answer: %+v, %v", rec, err)
	}
	answer = "S" // the likeliest of two equals, in a batch
	if rec, err = run(Experiment{Trace: trace}, oslo); err != nil || rec.Status != Wrong || rec.Tokens != nil {
		t.Errorf("another token was traced: %+v, %v", rec, err)
	}
}

// A fact without an answer takes the model's own where that is one.
func TestOwnAnswers(t *testing.T) {
	m := parrot{"Oslo is in": "Norway.", "Rome is in": " a city", "Where is Lima?": "\n\nIn Peru", "Bern is": "(in", "Eiffel is in": "1"}
	trace := func(_ context.Context, p fact.Prompt, _ string) (*result.Trace, error) {
		first := m[p.Text][:1]
		if first == "1" {
			return &result.Trace{Answer: first, PClean: 0.65, PCorrupted: 0.651, Noise: 1}, nil
		}
		return &result.Trace{Answer: first, PClean: 0.5, PCorrupted: 0.1, Noise: 1}, nil
	}
	var records []Record
	for _, c := range []struct {
		prompt, subject, answer string
		status                  Status
		doubts                  []doubt.Kind
	}{
		{"Oslo is in", "Oslo", "", Traced, []doubt.Kind{doubt.FirstToken}},
		{"Rome is in", "Rome", "", Wrong, nil}, // a blank
		{"Where is Lima?", "Lima", "", Wrong, nil},
		{"Bern is", "Bern", "", Wrong, nil},
		{"Bern is", "Bern", "(in", Traced, []doubt.Kind{doubt.NoFact, doubt.FirstToken}}, // as the file says
		{"Eiffel is in", "Eiff", "", Traced, []doubt.Kind{doubt.NothingHidden, doubt.PartOfWord}},
	} {
		rec, err := Experiment{Trace: trace}.Tracer(m)(context.Background(), Fact{Prompt: c.prompt, Subject: c.subject, Answer: c.answer})
		if err != nil || rec.Status != c.status {
			t.Errorf("%q: %+v, %v", c.prompt, rec, err)
		}
		if d := cmp.Diff(c.doubts, rec.Doubts); d != "" {
			t.Errorf("%q: %s", c.prompt, d)
		}
		records = append(records, rec)
	}
	s := Summarise(Settings{}, records)
	if s.Right != 3 || s.Wrong != 3 || s.Doubts[doubt.NoFact] != 1 || s.Doubts[doubt.FirstToken] != 2 {
		t.Errorf("%+v", s)
	}
	says := strings.Join(s.Doubts.Sentences(s.Right), "\n")
	for _, want := range []string{"1 of 3 facts: the token that was traced", "1 of 3 facts: hiding the subject leaves", "1 of 3 facts: the subject is a part of a word"} {
		if !strings.Contains(says, want) {
			t.Errorf("%s, want %s", says, want)
		}
	}
	if strings.Count(says, "\n") != 2 {
		t.Error(says)
	}
}

func TestExperimentErrors(t *testing.T) {
	m := parrot{"Oslo is in": "Norway."}
	oslo := Fact{Prompt: "Oslo is in", Subject: "Oslo", Answer: "Norway", SubjectSwap: "Bergen"}
	fails := func(err error) Experiment {
		return Experiment{Trace: func(context.Context, fact.Prompt, string) (*result.Trace, error) { return nil, err }}
	}
	one := errors.New("out of memory")
	rec, err := fails(one).Tracer(m)(context.Background(), oslo)
	if !errors.Is(err, one) || errors.Is(err, ErrStop) || rec.Said != "Norway." {
		t.Errorf("one fact fails: %+v, %v", rec, err)
	}
	if _, err := fails(fmt.Errorf("x: %w", lm.ErrUnsupported)).Tracer(m)(context.Background(), oslo); !errors.Is(err, ErrStop) {
		t.Errorf("the model is not supported: %v", err)
	}
	if _, err := fails(nil).Tracer(m)(context.Background(), Fact{Prompt: "Oslo", Subject: "Rome"}); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("no such subject: %v", err)
	}
	if _, err := fails(nil).Tracer(m)(context.Background(), Fact{Prompt: "Rome", Subject: "Rome"}); err == nil {
		t.Error("the model failed")
	}
	same := Experiment{Trace: func(context.Context, fact.Prompt, string) (*result.Trace, error) {
		return &result.Trace{Answer: "N", LogitDifference: &result.LogitDifference{Foil: "N"}}, nil
	}}
	if _, err := same.Tracer(m)(context.Background(), oslo); !errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), `with "Bergen"`) {
		t.Errorf("a swap with the same answer: %v", err)
	}
}
