package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s: %v, not %v", what, got, want)
	}
}

// Values of tables: Student's t of 0.975 is 12.706, 2.776, 2.045, 1.984 for 1,
// 4, 29, 99 degrees of freedom.
func TestStudent(t *testing.T) {
	for n, quantile := range map[int]float64{2: 12.706, 5: 2.776, 30: 2.045, 100: 1.984} {
		e := Around(n, 7, 4)
		near(t, "half width", e.Half(), quantile*2/math.Sqrt(float64(n)), 1e-3*quantile)
		near(t, "centre", (e.Low+e.High)/2, 7, 1e-12)
	}
	e := Mean([]float64{1, 2, 3, 4, 5}) // a deviation of √2.5
	near(t, "mean", e.Mean, 3, 0)
	near(t, "low", e.Low, 3-1.9632, 1e-4)
	near(t, "high", e.High, 3+1.9632, 1e-4)
	if e.N != 5 || !e.Known() {
		t.Errorf("%+v", e)
	}
	if e := Mean([]float64{2, 2, 2}); e.Low != 2 || e.High != 2 {
		t.Errorf("without spread: %+v", e)
	}
}

// Published values: 81 of 263 is 0.255 to 0.366, 15 of 148 is 0.062 to 0.161,
// 0 of 20 is 0 to 0.161, 1 of 29 is 0.006 to 0.172 (R. G. Newcombe, "Two-sided
// confidence intervals for the single proportion", 1998, table I, method 3).
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		hits, n   int
		low, high float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}} {
		e := Share(c.hits, c.n)
		near(t, "low", e.Low, c.low, 5e-5)
		near(t, "high", e.High, c.high, 5e-5)
	}
	near(t, "all of 29, which is n/(n + z²) at least", Share(29, 29).Low, 29/(29+1.959964*1.959964), 1e-6)
	near(t, "the farther end", Share(0, 20).Half(), 0.1611, 5e-5)
}

func TestTooFew(t *testing.T) {
	for name, e := range map[string]Estimate{
		"no value": Mean(nil), "one value": Mean([]float64{3}), "no case": Share(0, 0), "one case": Share(1, 1),
	} {
		if e.Known() || !math.IsNaN(e.Half()) || !math.IsNaN(e.High) || math.IsNaN(e.Mean) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if Mean([]float64{3}).Mean != 3 || Share(1, 1).Mean != 1 {
		t.Error("one value is not its own mean")
	}
}

// An interval moves and grows with its values, and holds its mean.
func TestProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		n := 2 + rng.IntN(50)
		v, moved := make([]float64, n), make([]float64, n)
		for i := range v {
			v[i] = rng.NormFloat64()
			moved[i] = 5 - 3*v[i]
		}
		a, b := Mean(v), Mean(moved)
		near(t, "mean", b.Mean, 5-3*a.Mean, 1e-12)
		near(t, "low", b.Low, 5-3*a.High, 1e-9)
		near(t, "high", b.High, 5-3*a.Low, 1e-9)
		hits := rng.IntN(n + 1)
		s, other := Share(hits, n), Share(n-hits, n)
		near(t, "complement", s.Low, 1-other.High, 1e-12)
		if s.Low < 0 || s.High > 1 || s.Low > s.Mean || s.High < s.Mean || s.Low == s.High {
			t.Fatalf("%d of %d: %+v", hits, n, s)
		}
	}
}

// The intervals hold the true value in about 95 of 100 draws, few as the
// values are.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const draws = 4000
	for _, n := range []int{2, 5, 40} {
		means, shares := 0, 0
		for range draws {
			v, hits := make([]float64, n), 0
			for i := range v {
				v[i] = 3 + 2*rng.NormFloat64()
				if rng.Float64() < 0.3 {
					hits++
				}
			}
			if e := Mean(v); e.Low <= 3 && 3 <= e.High {
				means++
			}
			if e := Share(hits, n); e.Low <= 0.3 && 0.3 <= e.High {
				shares++
			}
		}
		if got := float64(means) / draws; math.Abs(got-0.95) > 0.015 {
			t.Errorf("%d values: %.3f of the intervals hold the mean", n, got)
		}
		if got := float64(shares) / draws; got < 0.85 {
			t.Errorf("%d cases: %.3f of the intervals hold the share", n, got)
		}
	}
}
