package replay

import (
	"retcon/graph"
	"retcon/llama"
)

// localise rewrites a slice's attention so that rows attend to their own
// sequence only, and gives the inputs that the new form needs. The slice's
// values must have been kept.
func (d *Decode) localise(s *graph.Slice, rows graph.Rows) (*graph.Slice, []graph.Const, error) {
	mask := func(id graph.ID) []float32 { return floats(d.rec.Bytes(s.From[id])) }
	out, local, err := graph.Localise(s, rows, d.Known(s), mask)
	if err != nil {
		return nil, nil, err
	}
	consts := local.Consts
	for _, p := range local.Prefixes {
		data, err := d.prefix(p)
		if err != nil {
			return nil, nil, err
		}
		consts = append(consts, graph.Const{Node: p.Node, F32: data})
	}
	return out, consts, nil
}

// prefix reads the keys or values of earlier tokens, [channels, P, sequences].
func (d *Decode) prefix(p graph.Prefix) ([]float32, error) {
	cells := int(p.Ne[1])
	cache := make([]float32, p.Channels*cells)
	if err := llama.ReadTensor(d.Context, p.Cache, 0, cache); err != nil {
		return nil, err
	}
	n := len(p.Cells[0])
	out := make([]float32, p.Channels*n*len(p.Cells))
	for s, own := range p.Cells {
		for i, c := range own {
			if c < 0 {
				continue
			}
			row := out[(s*n+i)*p.Channels:][:p.Channels]
			for ch := range row {
				if p.Transposed {
					row[ch] = cache[ch*cells+c]
				} else {
					row[ch] = cache[c*p.Channels+ch]
				}
			}
		}
	}
	return out, nil
}
