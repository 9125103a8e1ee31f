package tpatcher

import (
	"cmp"
	"context"
	"slices"

	"retcon/edit/weight"
	"retcon/gguf/ffn"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// chooseSlots orders the last layer's neurons by what they add to the output
// over the memory: E[h²] ||down||², the least first, and keeps as many as may be
// needed.
func (w *work) chooseSlots(ctx context.Context, need int) error {
	neurons, err := w.lastNeurons(ctx)
	if err != nil {
		return err
	}
	use := make([]float64, len(neurons))
	for i, n := range neurons {
		if err := ctx.Err(); err != nil {
			return err
		}
		use[i] = w.memory.MeanSquare(w.site, n) * sum2(n.Down)
		w.base.Voice.Report("choosing neurons", int64(i+1), int64(len(neurons)))
	}
	for slot := range neurons {
		w.order = append(w.order, int64(slot))
	}
	for _, h := range w.history { // never another fact's
		w.order = slices.DeleteFunc(w.order, func(slot int64) bool { return slices.Contains(h.slots, slot) })
	}
	slices.SortStableFunc(w.order, func(a, b int64) int { return cmp.Compare(use[a], use[b]) })
	if need > len(w.order) {
		return fault.Errorf(lm.ErrUnsupported, "%d neurons are needed and the last layer has %d", need, len(w.order))
	}
	w.order = w.order[:need]
	for _, slot := range w.order {
		n := neurons[slot]
		for i := range n.Down {
			n.Down[i] = -n.Down[i]
		}
		w.old = append(w.old, n)
	}
	return nil
}

func sum2(v []float32) float64 { return vec.Dot(v, v) }

// lastNeurons reads the neurons of the last layer.
func (w *work) lastNeurons(ctx context.Context) ([]ffn.Neuron, error) {
	n, width := w.net.Last(), int(w.net.Width)
	out := make([]ffn.Neuron, n.Width)
	read := func(name string, fn func(row int, v []float32)) error {
		t, ok := w.base.File.Tensor(name)
		if !ok {
			return nil
		}
		m := weight.Tensor(w.base.File, t, w.base.Quantizer)
		length := int(t.RowLength())
		return m.Each(ctx, func(first int, rows []float32) error {
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
	if err == nil && n.GateBias != "" && w.site.Bias {
		err = read(n.GateBias, func(_ int, v []float32) {
			for i := range out {
				out[i].GateBias = v[i]
			}
		})
	}
	if err == nil && n.UpBias != "" && (w.site.UpBias || !w.site.Gated && w.site.Bias) {
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
