package covariance

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// Factor is a full covariance as its Cholesky factor in memory.
type Factor struct {
	t    *tiles
	made Made
}

// Kind returns KindFull.
func (f *Factor) Kind() Kind { return KindFull }

// Dim returns the length of a key.
func (f *Factor) Dim() int { return f.t.n }

// Made says how the factor was made.
func (f *Factor) Made() Made { return f.made }

// Solve solves L Lᵀ x = b.
func (f *Factor) Solve(ctx context.Context, dst, b []float64) error {
	return solve(ctx, f.t.n, dst, b, func(i int) ([]blas64.General, error) {
		row := make([]blas64.General, i+1)
		for j := range row {
			row[j] = f.t.tile(i, j)
		}
		return row, nil
	})
}

// solve runs the two substitutions over rows of tiles, which row hands out: in
// ascending order for L y = b, then in descending order for Lᵀ x = y. A row is
// used until the next is asked for.
func solve(ctx context.Context, n int, dst, b []float64, row func(i int) ([]blas64.General, error)) error {
	if err := checkSolve(n, dst, b); err != nil {
		return err
	}
	copy(dst, b)
	side := (n + tileSize - 1) / tileSize
	part := func(i int) blas64.Vector {
		return blas64.Vector{N: tileRows(n, i), Inc: 1, Data: dst[i*tileSize:]}
	}
	for i := range side {
		tiles, err := rowOf(ctx, row, i)
		if err != nil {
			return err
		}
		for j := range i {
			blas64.Gemv(blas.NoTrans, -1, tiles[j], part(j), 1, part(i))
		}
		blas64.Trsv(blas.NoTrans, lower(tiles[i]), part(i))
	}
	for j := side - 1; j >= 0; j-- {
		tiles, err := rowOf(ctx, row, j)
		if err != nil {
			return err
		}
		blas64.Trsv(blas.Trans, lower(tiles[j]), part(j))
		for i := range j {
			blas64.Gemv(blas.Trans, -1, tiles[i], part(j), 1, part(i))
		}
	}
	for i, v := range dst {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: dimension %d of a solution is %v", ErrNotPositive, i, v)
		}
	}
	return nil
}

func rowOf(ctx context.Context, row func(int) ([]blas64.General, error), i int) ([]blas64.General, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return row(i)
}

func lower(g blas64.General) blas64.Triangular {
	return blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit, N: g.Rows, Stride: g.Stride, Data: g.Data}
}
