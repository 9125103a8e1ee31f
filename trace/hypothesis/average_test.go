package hypothesis

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"retcon/llama"
)

func TestAverageKnockout(t *testing.T) {
	a, err := AverageKnockout([]*KnockoutResult{
		{Fact: Fact{PClean: 0.5}, Window: 1, SubjectCut: []float64{0.4, 0.1}, OthersCut: []float64{0.5, 0.5}, SelfCut: []float64{0.5, 0.4}},
		{Fact: Fact{PClean: 0.7}, Window: 1, SubjectCut: []float64{0.6, 0.3}, SelfCut: []float64{0.7, 0.6}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if a.Facts != 2 || math.Abs(a.PClean.Mean-0.6) > 1e-12 || math.Abs(a.SubjectCut[1].Mean-0.2) > 1e-12 || a.OthersCut != nil {
		t.Errorf("%+v", a)
	}
	for _, want := range []string{"over 2 facts from 60 %", "to 20 % (0 % to 100 %) in layer 1", "of itself leaves 50 %"} {
		if s := a.Sentence(); !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
}

func TestAverageMemory(t *testing.T) {
	ranks := func(r ...int) *RecallResult {
		m := &RecallResult{Vocab: 999}
		for l, x := range r {
			m.Layers = append(m.Layers, RecallLayer{Layer: l, AnswerRank: x})
		}
		return m
	}
	a, err := AverageRecall([]*RecallResult{ranks(400, 3), ranks(300, 200), ranks(200, 100)})
	if err != nil {
		t.Fatal(err)
	}
	if a.AnswerRank[0].Mean != 300 || a.TopTen[1].Mean != 1.0/3 || a.TopTen[0].Mean != 0 || a.AnyTopTen.Mean != 1.0/3 {
		t.Errorf("%+v", a)
	}
	if s := a.Sentence(); !strings.Contains(s, "best in layer 1: number 101 on average") || !strings.Contains(s, "for 33 %") || !strings.Contains(s, "number 500") {
		t.Error(s)
	}
	if a, err = AverageRecall([]*RecallResult{ranks(400, 30), ranks(300, 200)}); err != nil {
		t.Fatal(err)
	}
	if s := a.Sentence(); !strings.Contains(s, "of no layer for any fact") {
		t.Error(s)
	}
}

func TestAverageLayers(t *testing.T) {
	a, err := AverageLayers([]*LayersResult{
		{Fact: Fact{PClean: 0.4}, Exchanged: []LayerChange{{0, 0.2, false, "", 0, nil}}, Dropped: []LayerChange{{0, 0, false, "", 0, nil}, {1, 0.4, true, "", 0, nil}}},
		{Fact: Fact{PClean: 0.6}, TextTokens: 9, Perplexity: 20, Exchanged: []LayerChange{{0, 0.4, true, "", 21, nil}}, Dropped: []LayerChange{{0, 0, false, "", 400, nil}, {1, 0.6, true, "", 30, nil}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(a.Exchanged[0].P.Mean-0.3) > 1e-12 || a.Exchanged[0].Kept.Mean != 0.5 || a.Dropped[0].Perplexity != 400 || a.Dropped[1].Layer != 1 || a.Perplexity != 20 {
		t.Errorf("%+v", a)
	}
	for _, want := range []string{"keeps the answer in 50 % of cases (least with layers 0 and 1: 50 %", "least with layer 0: 0 %", "median perplexity 215", "perplexity 20 on that text of 9 tokens."} {
		if s := a.Sentence(); !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
	if _, err := json.Marshal(a); err != nil {
		t.Error(err)
	}
}

func TestAverageRefuses(t *testing.T) {
	one := &KnockoutResult{Window: 1, SubjectCut: []float64{0.1}, SelfCut: []float64{0.1}}
	if _, err := AverageKnockout([]*KnockoutResult{one}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("one result: %v", err)
	}
	other := *one
	other.Window = 2
	if _, err := AverageKnockout([]*KnockoutResult{one, &other}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("two windows: %v", err)
	}
	if _, err := AverageRecall(nil); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("no results: %v", err)
	}
	if _, err := AverageLayers([]*LayersResult{{Dropped: make([]LayerChange, 2)}, {}}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("two models: %v", err)
	}
}
