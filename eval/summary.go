package eval

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"retcon/internal/stats"
)

// Stat is a mean over records with its 95 % interval: Value - CI to Value + CI
// holds it. CI is NaN where there is none, as for one record.
type Stat struct {
	Value float64
	CI    float64
	N     int // records that have the metric
}

func statOf(e stats.Estimate) Stat { return Stat{e.Mean, e.Half(), e.N} }

// Summary has a Stat for each metric that some record has.
type Summary map[string]Stat

// Summarise makes means of the values of records, taken in the order given, and
// the score S. Intervals are Student's over records; those of a metric that is
// a yes or no of each record are Wilson's, of which CI is the distance to the
// farther end; S's is by the delta method.
func Summarise(records []Values) Summary {
	s := Summary{}
	for _, m := range Metrics {
		var xs []float64
		for _, v := range records {
			if x, ok := v[m.Name]; ok {
				xs = append(xs, x)
			}
		}
		if len(xs) > 0 {
			s[m.Name] = meanOf(m.Name, xs)
		}
	}
	if st, ok := score(records); ok {
		s[Score] = st
	}
	return s
}

// meanOf is the mean of a metric's values.
func meanOf(metric string, xs []float64) Stat {
	hits := 0
	for _, x := range xs {
		switch {
		case !slices.Contains(yesNo, metric) || x != 0 && x != 100:
			return statOf(stats.Mean(xs))
		case x == 100:
			hits++
		}
	}
	share := stats.Share(hits, len(xs))
	return Stat{100 * share.Mean, 100 * share.Half(), share.N}
}

// score is S: the harmonic mean of the means of efficacy, paraphrase, and
// neighbourhood or, for zsRE, specificity (summarize.py), over the records that
// have all three. Its variance is gᵀΣg/n with Σ the covariance of the three over
// records and g = S²/(3 mean²) the gradient. Where a mean is 0 so is S, and no
// interval is known.
func score(records []Values) (Stat, bool) {
	parts := make([][]float64, 3)
	for _, v := range records {
		e, ok1 := v[Efficacy]
		p, ok2 := v[Paraphrase]
		n, ok3 := v[Neighbourhood]
		if !ok3 {
			n, ok3 = v[Specificity]
		}
		if ok1 && ok2 && ok3 {
			for i, x := range []float64{e, p, n} {
				parts[i] = append(parts[i], x)
			}
		}
	}
	n := len(parts[0])
	if n == 0 {
		return Stat{}, false
	}
	var inverse float64
	means := make([]float64, 3)
	for i, xs := range parts {
		if means[i] = stats.Average(xs); means[i] <= 0 {
			return Stat{CI: math.NaN(), N: n}, true
		}
		inverse += 1 / means[i]
	}
	s := 3 / inverse
	var variance float64
	for i := range parts {
		for j := range parts {
			gi, gj := s*s/(3*means[i]*means[i]), s*s/(3*means[j]*means[j])
			variance += gi * gj * stat.Covariance(parts[i], parts[j], nil)
		}
	}
	return statOf(stats.Around(n, s, variance)), true
}
