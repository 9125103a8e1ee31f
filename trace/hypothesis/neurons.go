package hypothesis

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"retcon/gguf"
	"retcon/llama"
	"retcon/lm"
)

// downMatrix is ffn_down of a layer in the file, n_embd rows of n_ff, so that
// the value of a neuron is a column. It is read a block of rows at a time.
type downMatrix struct {
	data *io.SectionReader
	info gguf.TensorInfo
	bias []float32 // nil where the model has none
}

// openDown finds a layer's matrix and bias.
func openDown(f *gguf.File, layer, keys, width int) (*downMatrix, error) {
	name := fmt.Sprintf("blk.%d.ffn_down", layer)
	info, ok := f.Tensor(name + ".weight")
	if !ok || info.RowLength() != int64(keys) || info.Rows() != int64(width) {
		return nil, fmt.Errorf("%w: %s.weight is no matrix from %d to %d", llama.ErrUnsupported, name, keys, width)
	}
	d := &downMatrix{info: info}
	var err error
	if d.data, err = f.TensorReader(info.Name); err != nil {
		return nil, err
	}
	bias, ok := f.Tensor(name + ".bias")
	if !ok {
		return d, nil
	}
	raw, err := f.ReadTensor(bias.Name, nil)
	if err != nil {
		return nil, err
	}
	d.bias = make([]float32, width)
	if err := llama.Dequantize(d.bias, int(bias.Type), raw); err != nil {
		return nil, fmt.Errorf("%s: %w", bias.Name, err)
	}
	return d, nil
}

// each calls fn with each row [n_ff].
func (d *downMatrix) each(ctx context.Context, fn func(row int, w []float32)) error {
	const block = 64 // rows at a time
	length := d.info.RowLength()
	rowBytes, err := d.info.Type.RowBytes(length)
	if err != nil {
		return err
	}
	raw, values := make([]byte, block*rowBytes), make([]float32, block*length)
	for first := int64(0); first < d.info.Rows(); first += block {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(block, d.info.Rows()-first)
		if _, err := d.data.ReadAt(raw[:n*rowBytes], first*rowBytes); err != nil {
			return fmt.Errorf("%s: %w", d.info.Name, err)
		}
		if err := llama.Dequantize(values[:n*length], int(d.info.Type), raw[:n*rowBytes]); err != nil {
			return fmt.Errorf("%s: %w", d.info.Name, err)
		}
		for i := range n {
			fn(int(first+i), values[i*length:][:length])
		}
	}
	return nil
}

// neurons ranks the neurons of a layer whose output is v, notes the first in
// out, and gives what each of them adds to the output, k_i W_i, one after the
// other.
func (r *recallReader) neurons(ctx context.Context, d *downMatrix, key, v []float32, out *RecallLayer) ([]float32, error) {
	squares, dots := make([]float64, len(key)), make([]float64, len(key))
	err := d.each(ctx, func(row int, w []float32) {
		for i, x := range w {
			squares[i] += float64(x) * float64(x)
			dots[i] += float64(x) * float64(v[row])
		}
	})
	if err != nil {
		return nil, err
	}
	all := make([]Neuron, len(key))
	for i, k := range key {
		n := math.Sqrt(squares[i])
		all[i] = Neuron{Index: i, Activation: float64(k), Norm: n, Contribution: math.Abs(float64(k)) * n, Share: ratio(float64(k)*dots[i], out.Norm)}
		out.NeuronShare += all[i].Share
	}
	for i, b := range d.bias {
		out.BiasShare += ratio(float64(b)*float64(v[i]), out.Norm)
	}
	slices.SortStableFunc(all, func(a, b Neuron) int { return cmp.Compare(b.Contribution, a.Contribution) })
	out.Neurons = all[:min(r.cfg.Neurons, len(all))]
	added := make([]float32, len(out.Neurons)*len(v))
	err = d.each(ctx, func(row int, w []float32) {
		for j, n := range out.Neurons {
			added[j*len(v)+row] = float32(n.Activation) * w[n.Index]
		}
	})
	return added, err
}

// ratio is a product with an output as a part of the output's squared norm.
func ratio(product, norm float64) float64 {
	if norm == 0 {
		return 0
	}
	return product / (norm * norm)
}

func norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// promoted lists the tokens with the largest logits.
func (r *recallReader) promoted(logits []float32) []Promoted {
	k := min(r.cfg.Top, len(logits))
	top := make([]int32, 0, k+1) // falling
	for i, l := range logits {
		if len(top) == k && l <= logits[top[k-1]] {
			continue
		}
		at := len(top)
		for at > 0 && logits[top[at-1]] < l {
			at--
		}
		top = slices.Insert(top, at, int32(i))
		top = top[:min(len(top), k)]
	}
	out := make([]Promoted, len(top))
	for i, t := range top {
		piece := r.model.Piece(t, true)
		out[i] = Promoted{Token: t, Text: piece, Bytes: lm.Fragment(piece), Logit: float64(logits[t])}
	}
	return out
}

// rank is the place of a token by falling logits, from 1 on.
func rank(logits []float32, token int32) int {
	n := 1
	for _, l := range logits {
		if l > logits[token] {
			n++
		}
	}
	return n
}
