package covariance

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// cholesky overwrites t with L, C = L Lᵀ, by the right-looking tiled
// algorithm: factor a diagonal tile, solve the tiles below it, and take their
// products from what is left. Tiles are independent within each of these, so
// workers share them. Where it breaks down, at is the tile column at which it
// did, and undo brings C back.
func (t *tiles) cholesky(ctx context.Context, o Options) (at int, err error) {
	workers := o.workers()
	total := float64(t.side) * float64(t.side+1) * float64(t.side+2) / 6
	var done atomic.Int64
	for k := range t.side {
		if err := t.pivot(k); err != nil {
			return k, err
		}
		l := t.lower(k)
		err := each(ctx, workers, t.side-k-1, func(x int) {
			blas64.Trsm(blas.Right, blas.Trans, 1, l, t.tile(k+1+x, k))
		})
		if err != nil {
			return k, err
		}
		left := t.side - k - 1
		err = each(ctx, workers, left*(left+1)/2, func(x int) {
			i, j := triangle(x)
			t.update(-1, k+1+i, k+1+j, k)
			done.Add(1)
		})
		if err != nil {
			return k, err
		}
		if o.Progress != nil {
			done.Add(int64(left + 1))
			o.Progress(min(1, float64(done.Load())/total))
		}
	}
	return t.side, ctx.Err()
}

func (o Options) workers() int {
	if o.Workers < 1 {
		return runtime.GOMAXPROCS(0)
	}
	return o.Workers
}

// undo brings back what cholesky began with, but for rounding far below that of
// the sums, where it broke down at tile column at: in reverse order it adds to
// what is left the products that were taken from it, and multiplies the columns
// by their diagonal tile again.
func (t *tiles) undo(ctx context.Context, o Options, at int) error {
	for k := at - 1; k >= 0; k-- {
		left := t.side - k - 1
		err := each(ctx, o.workers(), left*(left+1)/2, func(x int) {
			i, j := triangle(x)
			t.update(1, k+1+i, k+1+j, k)
		})
		if err != nil {
			return err
		}
		l := t.lower(k)
		err = each(ctx, o.workers(), left, func(x int) {
			blas64.Trmm(blas.Right, blas.Trans, 1, l, t.tile(k+1+x, k))
		})
		if err != nil {
			return err
		}
		t.unpivot(k)
	}
	return nil
}

// lower is the lower triangle of diagonal tile k.
func (t *tiles) lower(k int) blas64.Triangular {
	return blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit, N: t.rows(k), Stride: t.rows(k), Data: t.data[index(k, k)]}
}

// unpivot is the lower triangle of L Lᵀ of diagonal tile k, from the last row up.
func (t *tiles) unpivot(k int) {
	g := t.tile(k, k)
	for r := g.Rows - 1; r >= 0; r-- {
		own := g.Data[r*g.Stride:]
		for c := r; c >= 0; c-- {
			above := g.Data[c*g.Stride:]
			sum := 0.0
			for x := range c + 1 {
				sum += own[x] * above[x]
			}
			own[c] = sum
		}
	}
}

// pivot factors the diagonal tile k, or leaves it as it is.
func (t *tiles) pivot(k int) error {
	s := blas64.Symmetric{Uplo: blas.Lower, N: t.rows(k), Stride: t.rows(k), Data: t.data[index(k, k)]}
	before := slices.Clone(s.Data)
	_, ok := lapack64.Potrf(s)
	for r := 0; ok && r < s.N; r++ {
		d := s.Data[r*s.Stride+r]
		ok = d > 0 && !math.IsInf(d, 0)
	}
	if !ok {
		copy(s.Data, before)
		return fmt.Errorf("%w: the factorisation broke down in rows %d to %d", ErrNotPositive, k*tileSize, k*tileSize+s.N-1)
	}
	return nil
}

// update adds sign L_ik L_jkᵀ to tile (i, j).
func (t *tiles) update(sign float64, i, j, k int) {
	if i == j {
		s := blas64.Symmetric{Uplo: blas.Lower, N: t.rows(i), Stride: t.rows(i), Data: t.data[index(i, i)]}
		blas64.Syrk(blas.NoTrans, sign, t.tile(i, k), 1, s)
		return
	}
	blas64.Gemm(blas.NoTrans, blas.Trans, sign, t.tile(i, k), t.tile(j, k), 1, t.tile(i, j))
}

// triangle turns a running number into (i, j), j <= i.
func triangle(x int) (i, j int) {
	i = int((math.Sqrt(float64(8*x+1)) - 1) / 2)
	for index(i+1, 0) <= x {
		i++
	}
	for index(i, 0) > x {
		i--
	}
	return i, x - index(i, 0)
}

// each calls f for 0..n-1 from several goroutines, and stops early when ctx is
// done.
func each(ctx context.Context, workers, n int, f func(int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for ctx.Err() == nil {
				x := int(next.Add(1)) - 1
				if x >= n {
					return
				}
				f(x)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
