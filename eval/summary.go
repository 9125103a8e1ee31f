package eval

import "math"

// Stat is a mean over records with half the width of its 95 % interval.
type Stat struct {
	Value float64 `json:"value"`
	CI    float64 `json:"ci95"`
	N     int     `json:"n"` // records that have the metric
}

// Summary has a Stat for each metric that some record has.
type Summary map[string]Stat

// interval is the half-width of a 95 % interval in standard errors.
const interval = 1.96

// Summarise makes means of the values of records, taken in the order given, and
// the score S. Half-widths are 1.96 sd/√n, sd over records with n-1; S's is by
// the delta method.
func Summarise(records []Values) Summary {
	s := Summary{}
	for _, m := range Metrics {
		var xs []float64
		for _, v := range records {
			if x, ok := v[m.Name]; ok {
				xs = append(xs, x)
			}
		}
		if n := len(xs); n > 0 {
			mean := meanOf(xs)
			s[m.Name] = Stat{mean, interval * math.Sqrt(covarianceOf(xs, xs)/float64(n)), n}
		}
	}
	if st, ok := score(records); ok {
		s[Score] = st
	}
	return s
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
		if means[i] = meanOf(xs); means[i] <= 0 {
			return Stat{N: n}, true
		}
		inverse += 1 / means[i]
	}
	s := 3 / inverse
	var variance float64
	for i := range parts {
		for j := range parts {
			gi, gj := s*s/(3*means[i]*means[i]), s*s/(3*means[j]*means[j])
			variance += gi * gj * covarianceOf(parts[i], parts[j])
		}
	}
	return Stat{s, interval * math.Sqrt(max(0, variance)/float64(n)), n}, true
}

func meanOf(xs []float64) float64 {
	var s float64
	for _, x := range xs {
		s += x
	}
	return s / float64(len(xs))
}

// covarianceOf is that of a sample, 0 of a single value.
func covarianceOf(a, b []float64) float64 {
	if len(a) < 2 {
		return 0
	}
	ma, mb := meanOf(a), meanOf(b)
	var s float64
	for i := range a {
		s += (a[i] - ma) * (b[i] - mb)
	}
	return s / float64(len(a)-1)
}
