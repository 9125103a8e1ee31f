package hypothesis

import (
	"fmt"

	"retcon/internal/human"
	"retcon/internal/stats"
	"retcon/llama"
)

// Mean is a mean over facts with its 95 % interval: Student's for values,
// Wilson's for shares.
type Mean struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// meanOf is the mean of two values at least.
func meanOf(v []float64) Mean { return of(stats.Mean(v)) }

// shareOf is how often something holds in n facts, two at least.
func shareOf(hits, n int) Mean { return of(stats.Share(hits, n)) }

func of(e stats.Estimate) Mean { return Mean{e.Mean, e.Low, e.High} }

// byLayer averages a value of each result for each layer.
func byLayer[R any](results []R, layers int, value func(r R, layer int) float64) []Mean {
	out := make([]Mean, layers)
	v := make([]float64, len(results))
	for l := range out {
		for i, r := range results {
			v[i] = value(r, l)
		}
		out[l] = meanOf(v)
	}
	return out
}

// sharesByLayer counts for each layer in how many results something holds.
func sharesByLayer[R any](results []R, layers int, holds func(r R, layer int) bool) []Mean {
	out := make([]Mean, layers)
	for l := range out {
		hits := 0
		for _, r := range results {
			if holds(r, l) {
				hits++
			}
		}
		out[l] = shareOf(hits, len(results))
	}
	return out
}

// alike checks that there are results to average and that they are of one
// model and one experiment, as far as a key of each tells.
func alike[R any](results []R, key func(R) [2]int) error {
	if len(results) < 2 {
		return fmt.Errorf("%w: an average needs two results at least", llama.ErrInvalid)
	}
	for _, r := range results {
		if key(r) != key(results[0]) {
			return fmt.Errorf("%w: results of different models or experiments cannot be averaged", llama.ErrInvalid)
		}
	}
	return nil
}

// means are the means alone.
func means(v []Mean) []float64 {
	var out []float64
	for _, m := range v {
		out = append(out, m.Mean)
	}
	return out
}

// text writes a mean of probabilities for a sentence.
func (m Mean) text() string {
	return fmt.Sprintf("%s (%s to %s)", human.Share(m.Mean), human.Share(max(0, m.Low)), human.Share(min(1, m.High)))
}
