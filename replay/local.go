package replay

import (
	"slices"

	"retcon/graph"
	"retcon/llama"
)

// localise rewrites a slice's attention so that rows attend to their own
// sequence only, and gives the inputs that the new form needs: some as they are,
// others to be read from the cache. The slice's values must have been kept.
func (d *Decode) localise(s *graph.Slice, rows graph.Rows) (*graph.Slice, *graph.Local, error) {
	mask := func(id graph.ID) []float32 { return floats(d.rec.Bytes(s.From[id])) }
	return graph.Localise(s, rows, d.Known(s), mask)
}

// prefixReader reads keys and values of earlier tokens from the cache, a tensor
// at a time. Its buffers serve one after the other.
type prefixReader struct {
	cache, rows []float32
}

// read is the values of an input [channels, P, sequences]; they hold until the
// next are read.
func (r *prefixReader) read(c *llama.Context, p graph.Prefix) ([]float32, error) {
	cells, n := int(p.Ne[1]), len(p.Cells[0])
	r.cache = slices.Grow(r.cache[:0], p.Channels*cells)[:p.Channels*cells]
	if err := llama.ReadTensor(c, p.Cache, 0, r.cache); err != nil {
		return nil, err
	}
	size := p.Channels * n * len(p.Cells)
	r.rows = slices.Grow(r.rows[:0], size)[:size]
	clear(r.rows)
	for s, own := range p.Cells {
		for i, cell := range own {
			if cell < 0 {
				continue
			}
			row := r.rows[(s*n+i)*p.Channels:][:p.Channels]
			for ch := range row {
				if p.Transposed {
					row[ch] = r.cache[ch*cells+cell]
				} else {
					row[ch] = r.cache[cell*p.Channels+ch]
				}
			}
		}
	}
	return r.rows, nil
}
