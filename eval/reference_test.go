package eval

import (
	"context"
	"math"
	"strings"
	"testing"

	"retcon/internal/neutral"
	"retcon/internal/reference"
	"retcon/lm"
)

func readScores(t *testing.T) []reference.Scores {
	t.Helper()
	scores, err := reference.LoadScores()
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

// The likelihoods that the original code printed of 100 records make the scores
// that it came to.
func TestReferenceMetrics(t *testing.T) {
	var all []Values
	for i, want := range readScores(t) {
		rec := capital()
		rec.Request.Paraphrases = rec.Request.Paraphrases[:2]
		rec.Request.Neighbours = nil
		for range len(want.New) - 3 {
			rec.Request.Neighbours = append(rec.Request.Neighbours, "Louvre is in")
		}
		var rows [][]lm.Prediction
		for k := range want.New {
			rows = append(rows, p(want.New[k], false), p(want.True[k], false))
		}
		job, err := (&Scorer{Model: told{newFake(), rows}, Stages: []Stage{Likelihood}}).Job(&rec)
		if err != nil {
			t.Fatal(err)
		}
		r, err := job.Score(context.Background(), true)
		if err != nil || len(r.NLL.New) != len(want.New) {
			t.Fatalf("record %d: %d prompts, %v", i, len(r.NLL.New), err)
		}
		all = append(all, r.Values)
	}
	checkMeans(t, "unedited", all, map[string]float64{Score: 31.6, Efficacy: 28, Paraphrase: 22, Neighbourhood: 72.3})
}

// S of the records that the original code edited.
func TestReferenceScore(t *testing.T) {
	var all []Values
	for _, s := range readScores(t) {
		e := s.Edited
		all = append(all, Values{Efficacy: 100 * e["ES"], Paraphrase: 100 * e["PS"], Neighbourhood: 100 * e["NS"]})
	}
	checkMeans(t, "edited", all, map[string]float64{Score: 86.7, Efficacy: 100, Paraphrase: 98, Neighbourhood: 69.4})
}

// checkMeans compares with figures that are printed to one digit.
func checkMeans(t *testing.T, what string, all []Values, want map[string]float64) {
	t.Helper()
	sum := Summarise(all)
	for name, want := range want {
		if got := sum[name].Value; !(math.Abs(got-want) <= 0.05+1e-9) {
			t.Errorf("%s: %s %.2f, not %.1f", what, name, got, want)
		}
	}
}

// What NLTK makes of retcon's own text: as many words, the same entropy.
func TestReferenceFluency(t *testing.T) {
	want, err := reference.LoadFluency()
	if err != nil {
		t.Fatal(err)
	}
	texts := neutralTexts()
	if len(texts) != len(want) {
		t.Fatalf("%d paragraphs, not %d: make.py of internal/reference is to be run again", len(texts), len(want))
	}
	for i, text := range texts {
		words := WordTokenize(text)
		if got := NGramEntropy(words); len(words) != want[i].Words || !(math.Abs(got-want[i].Entropy) <= 1e-6) {
			t.Errorf("%d words of entropy %g, not %d of %g\n%s", len(words), got, want[i].Words, want[i].Entropy, text)
		}
	}
}

// neutralTexts are the paragraphs of retcon's own text.
func neutralTexts() []string { return strings.Split(strings.TrimSpace(neutral.Text()), "\n\n") }
