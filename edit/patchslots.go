package edit

import (
	"cmp"
	"context"
	"slices"

	"retcon/edit/weight"
	"retcon/fact"
	ffn "retcon/gguf/widen"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// chooseSlots orders the last layer's neurons by what they add to the output
// over the memory: E[h²] ||down||², the least first, and keeps as many as may be
// needed.
func (s *session) chooseSlots(ctx context.Context, need int) error {
	p := s.patches
	neurons, err := s.lastNeurons(ctx)
	if err != nil {
		return err
	}
	use := make([]float64, len(neurons))
	for i, n := range neurons {
		if err := ctx.Err(); err != nil {
			return err
		}
		use[i] = p.memory.MeanSquare(p.site, n) * sum2(n.Down)
		s.cfg.progress("choosing neurons", int64(i+1), int64(len(neurons)))
	}
	for slot := range neurons {
		p.order = append(p.order, int64(slot))
	}
	for _, h := range p.history { // never another fact's
		p.order = slices.DeleteFunc(p.order, func(slot int64) bool { return slices.Contains(h.slots, slot) })
	}
	slices.SortStableFunc(p.order, func(a, b int64) int { return cmp.Compare(use[a], use[b]) })
	if need > len(p.order) {
		return fault.Errorf(lm.ErrUnsupported, "%d neurons are needed and the last layer has %d", need, len(p.order))
	}
	p.order = p.order[:need]
	for _, slot := range p.order {
		n := neurons[slot]
		for i := range n.Down {
			n.Down[i] = -n.Down[i]
		}
		p.old = append(p.old, n)
	}
	return nil
}

// mostNeurons is the number of target tokens of all requests, and an end each.
func (s *session) mostNeurons() (int, error) {
	n := 0
	for _, e := range s.res.Edits {
		if e.Error != "" {
			continue
		}
		span, err := fact.Tokenize(s.model, e.fact, "", e.fact.New)
		if err != nil {
			return 0, err
		}
		n += len(span.Target) + 1
	}
	return n, nil
}

func sum2(v []float32) float64 { return vec.Dot(v, v) }

// lastNeurons reads the neurons of the last layer.
func (s *session) lastNeurons(ctx context.Context) ([]ffn.Neuron, error) {
	p := s.patches
	n, width := p.file.Last(), int(p.file.Width)
	out := make([]ffn.Neuron, n.Width)
	read := func(name string, fn func(row int, v []float32)) error {
		t, ok := s.file.Tensor(name)
		if !ok {
			return nil
		}
		w := weight.Tensor(s.file, t, s.cfg.Quantizer)
		length := int(t.RowLength())
		return w.Each(ctx, func(first int, rows []float32) error {
			for i := 0; i*length < len(rows); i++ {
				fn(first+i, rows[i*length:(i+1)*length])
			}
			return nil
		})
	}
	err := read(n.Up, func(row int, v []float32) {
		half := row / len(out)
		if n.Fused && half == 0 {
			out[row].Gate = slices.Clone(v)
		} else {
			out[row%len(out)].Up = slices.Clone(v)
		}
	})
	if err == nil && n.Gate != "" {
		err = read(n.Gate, func(row int, v []float32) { out[row].Gate = slices.Clone(v) })
	}
	if err == nil && n.GateBias != "" && p.site.Bias {
		err = read(n.GateBias, func(_ int, v []float32) {
			for i := range out {
				out[i].GateBias = v[i]
			}
		})
	}
	if err == nil && n.UpBias != "" && (p.site.UpBias || !p.site.Gated && p.site.Bias) {
		err = read(n.UpBias, func(_ int, v []float32) {
			for i := range out {
				out[i].UpBias = v[len(v)-len(out)+i]
			}
		})
	}
	if err == nil {
		err = read(n.Down, func(row int, v []float32) {
			for i := range out {
				if out[i].Down == nil {
					out[i].Down = make([]float32, width)
				}
				out[i].Down[row] = v[i]
			}
		})
	}
	return out, err
}
