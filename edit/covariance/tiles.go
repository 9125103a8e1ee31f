package covariance

import (
	"context"
	"fmt"
	"runtime/debug"

	"gonum.org/v1/gonum/blas/blas64"
)

// tileSize is the side of a tile. Three tiles of float64 (1.5 MB at 256) stay
// in a core's second-level cache on the machines this is meant for.
const tileSize = 256

// tiles is the lower triangle of a symmetric n x n matrix in square tiles of
// float64, tile row by tile row. The tiles on the diagonal are whole.
type tiles struct {
	n    int
	side int // tiles along a side
	data [][]float64
}

func newTiles(n int) *tiles {
	side := (n + tileSize - 1) / tileSize
	return &tiles{n: n, side: side, data: make([][]float64, side*(side+1)/2)}
}

// index is the position of tile (i, j), j <= i.
func index(i, j int) int { return i*(i+1)/2 + j }

// rows is the number of matrix rows in tile row i.
func (t *tiles) rows(i int) int { return tileRows(t.n, i) }

func tileRows(n, i int) int { return min(tileSize, n-i*tileSize) }

// tile is tile (i, j) as a matrix, rows(i) x rows(j).
func (t *tiles) tile(i, j int) blas64.General {
	return blas64.General{Rows: t.rows(i), Cols: t.rows(j), Stride: t.rows(j), Data: t.data[index(i, j)]}
}

// releaseRows is how many rows are read before what m held of them is given
// back to the system.
const releaseRows = 1024

// load fills the tiles with m divided by its count. Tiles are made as they are
// filled, and a [Releaser] gives up what has been read: sums and tiles are never
// there as a whole at once.
func (t *tiles) load(ctx context.Context, m Moments) error {
	held, _ := m.(Releaser)
	buf := make([]float32, tileSize*tileSize)
	scale := 1 / float64(m.Count())
	for i := range t.side {
		for j := range i + 1 {
			if err := ctx.Err(); err != nil {
				return err
			}
			dst := make([]float64, t.rows(i)*t.rows(j))
			t.data[index(i, j)] = dst
			src := buf[:len(dst)]
			r, c := i*tileSize, j*tileSize
			if err := m.Block(src, r, r+t.rows(i), c, c+t.rows(j)); err != nil {
				return fmt.Errorf("reading moments: %w", err)
			}
			for k, v := range src {
				dst[k] = float64(v) * scale
			}
		}
		if end := i*tileSize + t.rows(i); held != nil && (end%releaseRows == 0 || end == t.n) {
			held.Release(end)
			if end >= releaseRows {
				debug.FreeOSMemory()
			}
		}
	}
	return nil
}

// norms returns the trace, the squared norm of the diagonal and that of all
// else, both triangles counted.
func (t *tiles) norms() (trace, diag2, off2 float64) {
	for i := range t.side {
		for j := range i {
			for _, v := range t.data[index(i, j)] {
				off2 += 2 * v * v
			}
		}
		d := t.tile(i, i)
		for r := range d.Rows {
			for c := range r {
				v := d.Data[r*d.Stride+c]
				off2 += 2 * v * v
			}
			v := d.Data[r*d.Stride+r]
			trace += v
			diag2 += v * v
		}
	}
	return trace, diag2, off2
}

// shrink scales all off the diagonal by 1-a.
func (t *tiles) shrink(a float64) {
	for i := range t.side {
		for j := range i + 1 {
			g := t.tile(i, j)
			for r := range g.Rows {
				for c := range g.Cols {
					if i != j || r != c {
						g.Data[r*g.Stride+c] *= 1 - a
					}
				}
			}
		}
	}
}

func (t *tiles) addDiagonal(v float64) {
	for i := range t.side {
		g := t.tile(i, i)
		for r := range g.Rows {
			g.Data[r*g.Stride+r] += v
		}
	}
}
