package covariance

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// cholesky overwrites t with L, C = L Lᵀ, by the right-looking tiled
// algorithm: factor a diagonal tile, solve the tiles below it, and take their
// products from what is left. Tiles are independent within each of these, so
// workers share them.
func (t *tiles) cholesky(ctx context.Context, o Options) error {
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	total := float64(t.side) * float64(t.side+1) * float64(t.side+2) / 6
	var done atomic.Int64
	for k := range t.side {
		if err := t.pivot(k); err != nil {
			return err
		}
		l := blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit,
			N: t.rows(k), Stride: t.rows(k), Data: t.data[index(k, k)]}
		err := each(ctx, workers, t.side-k-1, func(x int) {
			blas64.Trsm(blas.Right, blas.Trans, 1, l, t.tile(k+1+x, k))
		})
		if err != nil {
			return err
		}
		left := t.side - k - 1
		err = each(ctx, workers, left*(left+1)/2, func(x int) {
			i, j := triangle(x)
			t.update(k+1+i, k+1+j, k)
			done.Add(1)
		})
		if err != nil {
			return err
		}
		if o.Progress != nil {
			done.Add(int64(left + 1))
			o.Progress(min(1, float64(done.Load())/total))
		}
	}
	return ctx.Err()
}

// pivot factors the diagonal tile k.
func (t *tiles) pivot(k int) error {
	s := blas64.Symmetric{Uplo: blas.Lower, N: t.rows(k), Stride: t.rows(k), Data: t.data[index(k, k)]}
	_, ok := lapack64.Potrf(s)
	for r := 0; ok && r < s.N; r++ {
		d := s.Data[r*s.Stride+r]
		ok = d > 0 && !math.IsInf(d, 0)
	}
	if !ok {
		return fmt.Errorf("%w: the factorisation broke down in rows %d to %d", ErrNotPositive, k*tileSize, k*tileSize+s.N-1)
	}
	return nil
}

// update subtracts L_ik L_jkᵀ from tile (i, j).
func (t *tiles) update(i, j, k int) {
	if i == j {
		s := blas64.Symmetric{Uplo: blas.Lower, N: t.rows(i), Stride: t.rows(i), Data: t.data[index(i, i)]}
		blas64.Syrk(blas.NoTrans, -1, t.tile(i, k), 1, s)
		return
	}
	blas64.Gemm(blas.NoTrans, blas.Trans, -1, t.tile(i, k), t.tile(j, k), 1, t.tile(i, j))
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
