// Package stats has means over samples with their 95 % intervals: Student's for
// values, Wilson's for shares of yes and no. A sample of one has no interval.
package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// level is the quantile at the upper end of a 95 % interval.
const level = 0.975

// Estimate is a mean over N values with the ends of its 95 % interval. Low and
// High are NaN where there is none, which is so for fewer than two values; Mean
// is 0 for none.
type Estimate struct {
	N               int
	Mean, Low, High float64
}

// Half is the distance from the mean to the farther end of the interval, which
// is half its width where it is symmetric; NaN without an interval.
func (e Estimate) Half() float64 { return max(e.Mean-e.Low, e.High-e.Mean) }

// Known reports whether there is an interval.
func (e Estimate) Known() bool { return !math.IsNaN(e.Low) }

// Mean is the mean of values with Student's interval: t s/√n with the sample
// deviation s and the quantile t of n - 1 degrees of freedom.
func Mean(v []float64) Estimate {
	return Around(len(v), Average(v), stat.Variance(v, nil))
}

// Around is Student's interval around a mean of n values, or a function of such
// means, that has the given variance of one value.
func Around(n int, mean, variance float64) Estimate {
	e := Estimate{N: n, Mean: mean, Low: math.NaN(), High: math.NaN()}
	if n < 2 {
		return e
	}
	t := distuv.StudentsT{Sigma: 1, Nu: float64(n - 1)}.Quantile(level)
	half := t * math.Sqrt(max(0, variance)/float64(n))
	e.Low, e.High = mean-half, mean+half
	return e
}

// Share is how often something held in n cases, from 0 to 1, with Wilson's
// interval, which is not symmetric and stays between 0 and 1.
func Share(hits, n int) Estimate {
	e := Estimate{N: n, Low: math.NaN(), High: math.NaN()}
	if n == 0 {
		return e
	}
	p, m := float64(hits)/float64(n), float64(n)
	e.Mean = p
	if n < 2 {
		return e
	}
	z := distuv.UnitNormal.Quantile(level)
	centre := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	e.Low, e.High = min(p, max(0, centre-half)), max(p, min(1, centre+half)) // p, 0 and 1 are met exactly
	return e
}

// Average is the plain mean of values, 0 of none. It adds them up in order, so
// that machines agree on it to the last bit.
func Average(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
