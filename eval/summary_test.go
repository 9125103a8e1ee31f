package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"retcon/internal/stats"
)

func TestSummarise(t *testing.T) {
	s := Summarise([]Values{
		{Efficacy: 100, Paraphrase: 50, Neighbourhood: 80, Fluency: 600},
		{Efficacy: 100, Paraphrase: 100, Neighbourhood: 60},
		{Efficacy: 0, Paraphrase: 0, Neighbourhood: 100, Fluency: 610},
		{Fluency: 620},
	})
	near(t, "efficacy", s[Efficacy].Value, 200./3)
	near(t, "its interval, 2 of 3", s[Efficacy].CI, 100*stats.Share(2, 3).Half())
	near(t, "paraphrase's interval", s[Paraphrase].CI, stats.Mean([]float64{50, 100, 0}).Half())
	near(t, "paraphrase", s[Paraphrase].Value, 50)
	near(t, "neighbourhood", s[Neighbourhood].Value, 80)
	near(t, "score", s[Score].Value, 3/(3./200+1./50+1./80))
	near(t, "fluency", s[Fluency].Value, 610)
	near(t, "its interval", s[Fluency].CI, stats.Mean([]float64{600, 610, 620}).Half())
	if s[Fluency].N != 3 || s[Score].N != 3 {
		t.Errorf("%d and %d records", s[Fluency].N, s[Score].N)
	}
	if _, ok := s[Specificity]; ok {
		t.Error("there is a specificity")
	}
	zsre := Summarise([]Values{{Efficacy: 100, Paraphrase: 80, Specificity: 20}})
	near(t, "score of zsRE", zsre[Score].Value, 3/(1./100+1./80+1./20))
	if !math.IsNaN(zsre[Score].CI) || !math.IsNaN(zsre[Paraphrase].CI) || !math.IsNaN(zsre[Efficacy].CI) {
		t.Error("one record has an interval")
	}
	if shares := Summarise([]Values{{Efficacy: 100}, {Efficacy: 50}}); math.Abs(shares[Efficacy].CI-stats.Mean([]float64{100, 50}).Half()) > 1e-9 {
		t.Errorf("shares of tokens: %+v", shares)
	}
	if zero := Summarise([]Values{{Efficacy: 0, Paraphrase: 80, Neighbourhood: 20}}); zero[Score].Value != 0 || !math.IsNaN(zero[Score].CI) {
		t.Errorf("score %v with an efficacy of 0", zero[Score])
	}
}

// The interval of S is about what resampling the records gives.
func TestScoreInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	records := make([]Values, 200)
	for i := range records {
		e := 100 * float64(min(1, rng.IntN(5)))
		records[i] = Values{Efficacy: e, Paraphrase: e * float64(rng.IntN(3)) / 2, Neighbourhood: 100 * float64(rng.IntN(11)) / 10}
	}
	got := Summarise(records)[Score]
	var resampled []float64
	for range 2000 {
		again := make([]Values, len(records))
		for i := range again {
			again[i] = records[rng.IntN(len(records))]
		}
		resampled = append(resampled, Summarise(again)[Score].Value)
	}
	slices.Sort(resampled)
	half := (resampled[1949] - resampled[49]) / 2
	if math.Abs(got.CI/half-1) > 0.1 {
		t.Errorf("half-width %.3f, resampling gives %.3f", got.CI, half)
	}
}
