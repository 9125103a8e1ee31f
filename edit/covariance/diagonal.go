package covariance

import (
	"context"
	"fmt"
	"math"
)

// Diagonal is the covariance that keeps only the mean square of each
// dimension, ridge included.
type Diagonal struct {
	d []float64
}

// NewDiagonal makes a Diagonal of mean squares [n], with the same ridge as the
// full covariance has. Negative or non-finite entries are an error.
func NewDiagonal(meanSquares []float64) (*Diagonal, error) {
	for i, v := range meanSquares {
		if !(v >= 0) || math.IsInf(v, 1) {
			return nil, fmt.Errorf("%w: mean square of dimension %d is %v", ErrNotPositive, i, v)
		}
	}
	ridge, _ := ridgeRange(meanSquares)
	if ridge == 0 {
		return nil, fmt.Errorf("%w: every key is zero", ErrNotPositive)
	}
	d := make([]float64, len(meanSquares))
	for i, v := range meanSquares {
		d[i] = v + ridge
	}
	return &Diagonal{d}, nil
}

// DiagonalOf takes the diagonal of the moments of keys.
func DiagonalOf(m Moments) (*Diagonal, error) {
	d, err := meanSquares(m)
	if err != nil {
		return nil, err
	}
	return NewDiagonal(d)
}

// Kind returns KindDiagonal.
func (c *Diagonal) Kind() Kind { return KindDiagonal }

// Dim returns the length of a key.
func (c *Diagonal) Dim() int { return len(c.d) }

// Solve divides by the diagonal.
func (c *Diagonal) Solve(ctx context.Context, dst, b []float64) error {
	if err := checkSolve(len(c.d), dst, b); err != nil {
		return err
	}
	for i, v := range b {
		dst[i] = v / c.d[i]
	}
	return ctx.Err()
}

// meanSquares reads the diagonal of m, divided by the number of keys.
func meanSquares(m Moments) ([]float64, error) {
	n := m.Dim()
	if m.Count() < 1 {
		return nil, fmt.Errorf("%w: there are none", ErrTooFew)
	}
	d := make([]float64, n)
	const step = 64
	buf := make([]float32, step*step)
	for r := 0; r < n; r += step {
		e := min(r+step, n)
		w := e - r
		if err := m.Block(buf[:w*w], r, e, r, e); err != nil {
			return nil, err
		}
		for i := range w {
			d[r+i] = float64(buf[i*w+i]) / float64(m.Count())
		}
	}
	return d, nil
}
