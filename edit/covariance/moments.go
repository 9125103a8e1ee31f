package covariance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Moments is the sum of k kᵀ over Count keys of length Dim. Block writes the
// rectangle rows [r0,r1) x columns [c0,c1), c1 <= r1, to dst row by row.
type Moments interface {
	Count() int64
	Dim() int
	Block(dst []float32, r0, r1, c0, c1 int) error
}

// Releaser is Moments of which rows below r are not read again and need not be
// held any longer.
type Releaser interface {
	Release(r int)
}

// RidgeFraction is the ridge added to C's diagonal, in parts of its median.
const RidgeFraction = 1e-6

// Keys are counted in multiples of their length n (arXiv 2506.04226: 2 n to
// 10 n keys do as well as the full recipe).
const (
	FewestKeys = 2  // times n: fewer are refused
	EnoughKeys = 10 // times n: from here on C is taken as it is
)

// Options say how a factor is made.
type Options struct {
	// Workers is the number of goroutines; 0 is GOMAXPROCS.
	Workers int
	// Shrink allows fewer than EnoughKeys keys, shrinking C towards its
	// diagonal by Ledoit and Wolf's weight. Without it C is taken as it is.
	Shrink bool
	// Fewest is how many keys are needed; 0 is FewestKeys times their length.
	Fewest int64
	// Progress is called now and then with the share of the work done.
	Progress func(done float64)
}

// Made says how a factor was made.
type Made struct {
	Keys      int64   `json:"keys"`
	Ridge     float64 `json:"ridge"`
	Shrinkage float64 `json:"shrinkage"`
}

// FromMoments makes the factor of C = Σ k kᵀ / Count from m, which it reads
// once, and releases as it is read. The error wraps ErrTooFew, ErrNotPositive,
// or the context's.
func FromMoments(ctx context.Context, m Moments, o Options) (*Factor, error) {
	n, count := m.Dim(), m.Count()
	if o.Fewest == 0 {
		o.Fewest = int64(FewestKeys * n)
	}
	if n < 1 || count < max(1, o.Fewest) {
		return nil, fmt.Errorf("%w: %d keys of length %d, at least %d are needed", ErrTooFew, count, n, o.Fewest)
	}
	diag, err := meanSquares(m)
	if err != nil {
		return nil, err
	}
	ridge, most := ridgeRange(diag)
	if !(ridge > 0 && ridge <= most) || math.IsInf(most, 0) {
		return nil, fmt.Errorf("%w: its diagonal is zero or not finite", ErrNotPositive)
	}
	t := newTiles(n)
	if err := t.load(ctx, m); err != nil {
		return nil, err
	}
	made := Made{Keys: count, Ridge: ridge}
	if o.Shrink && count < int64(EnoughKeys*n) {
		made.Shrinkage = shrinkageFor(t, count)
		t.shrink(made.Shrinkage)
	}
	t.addDiagonal(ridge)
	for {
		at, err := t.cholesky(ctx, o)
		if err == nil {
			return &Factor{t: t, made: made}, nil
		}
		if !errors.Is(err, ErrNotPositive) || made.Ridge*10 > most {
			return nil, err
		}
		if err := t.undo(ctx, o, at); err != nil {
			return nil, err
		}
		t.addDiagonal(9 * made.Ridge)
		made.Ridge *= 10
	}
}

// ridgeRange gives the first ridge to try and the largest: RidgeFraction of
// the median of the variances (of their mean, where most are zero), and their
// mean.
func ridgeRange(diag []float64) (first, most float64) {
	s := slices.Clone(diag)
	slices.Sort(s)
	for _, v := range s {
		most += v / float64(len(s))
	}
	first = RidgeFraction * s[len(s)/2]
	if first == 0 {
		first = RidgeFraction * most
	}
	return first, most
}

// shrinkageFor returns the weight a of the diagonal D in (1-a) C + a D that
// brings C, estimated from count keys, nearest to the truth: Ledoit and Wolf's
// ratio of the estimate's expected error off the diagonal, for normal keys
// ((tr C)² - ||D||² + ||C-D||²) / count, to what lies off the diagonal,
// ||C-D||². It is at most 1/2, as keys are far from normal.
func shrinkageFor(t *tiles, count int64) float64 {
	trace, diag2, off2 := t.norms()
	if off2 == 0 {
		return 0
	}
	return min(0.5, (trace*trace-diag2+off2)/float64(count)/off2)
}
