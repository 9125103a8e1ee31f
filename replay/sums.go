package replay

import (
	"fmt"

	"retcon/llama"
)

// Sums is Σ k kᵀ in Go's memory: where it is factored the caches and buffers
// that made it must be gone, since both are as large as a matrix.
type Sums struct {
	dim    int
	count  int64
	blocks [][]float32 // momentsBlock rows each, up to the end of the diagonal's
}

// Sums copies what was summed.
func (m *Moments) Sums() (*Sums, error) {
	s := &Sums{dim: int(m.dim), count: m.count}
	for start := 0; start < s.dim; start += momentsBlock {
		end := min(start+momentsBlock, s.dim)
		block := make([]float32, (end-start)*end)
		if err := llama.ReadTensor(m.ctx, m.store.Handle(len(s.blocks)), 0, block); err != nil {
			return nil, err
		}
		s.blocks = append(s.blocks, block)
	}
	return s, nil
}

// Count is the number of keys summed.
func (s *Sums) Count() int64 { return s.count }

// Dim is the length of a key.
func (s *Sums) Dim() int { return s.dim }

// Block writes rows [r0,r1) x columns [c0,c1) of the sum to dst, row by row.
// The sum is symmetric, but only columns below the end of a row's block of
// 1024 are held.
func (s *Sums) Block(dst []float32, r0, r1, c0, c1 int) error {
	if r0 < 0 || r1 > s.dim || r0 > r1 || c0 < 0 || c0 > c1 || len(dst) != (r1-r0)*(c1-c0) {
		return fmt.Errorf("%w: block [%d,%d) x [%d,%d) of %d", llama.ErrInvalid, r0, r1, c0, c1, s.dim)
	}
	w := c1 - c0
	for r := r0; r < r1; r++ {
		start := r / momentsBlock * momentsBlock
		width := min(start+momentsBlock, s.dim)
		if c1 > width {
			return fmt.Errorf("%w: column %d of row %d is above the triangle", llama.ErrInvalid, c1-1, r)
		}
		copy(dst[(r-r0)*w:(r-r0+1)*w], s.blocks[r/momentsBlock][(r-start)*width+c0:])
	}
	return nil
}

// Release frees the blocks whose rows lie below r: they are not read again.
func (s *Sums) Release(r int) {
	for i := range s.blocks {
		if min((i+1)*momentsBlock, s.dim) <= r {
			s.blocks[i] = nil
		}
	}
}

// Close frees the sum.
func (s *Sums) Close() error {
	s.blocks = nil
	return nil
}
