package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSummarise(t *testing.T) {
	s := Summarise([]Values{
		{Efficacy: 100, Paraphrase: 50, Neighbourhood: 80, Fluency: 600},
		{Efficacy: 100, Paraphrase: 100, Neighbourhood: 60},
		{Efficacy: 0, Paraphrase: 0, Neighbourhood: 100, Fluency: 610},
		{Fluency: 620},
	})
	near(t, "efficacy", s[Efficacy].Value, 200./3)
	near(t, "its interval", s[Efficacy].CI, 1.96*math.Sqrt(10000./3/3))
	near(t, "paraphrase", s[Paraphrase].Value, 50)
	near(t, "neighbourhood", s[Neighbourhood].Value, 80)
	near(t, "score", s[Score].Value, 3/(3./200+1./50+1./80))
	near(t, "fluency", s[Fluency].Value, 610)
	near(t, "its interval", s[Fluency].CI, 1.96*10/math.Sqrt(3))
	if s[Fluency].N != 3 || s[Score].N != 3 {
		t.Errorf("%d and %d records", s[Fluency].N, s[Score].N)
	}
	if _, ok := s[Specificity]; ok {
		t.Error("there is a specificity")
	}
	zsre := Summarise([]Values{{Efficacy: 100, Paraphrase: 80, Specificity: 20}})
	near(t, "score of zsRE", zsre[Score].Value, 3/(1./100+1./80+1./20))
	near(t, "interval of one record", zsre[Score].CI, 0)
	if zero := Summarise([]Values{{Efficacy: 0, Paraphrase: 80, Neighbourhood: 20}}); zero[Score].Value != 0 {
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
