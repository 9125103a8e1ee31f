package edit

import (
	"context"
	"io"
	"math"
	"slices"

	"retcon/gguf"
)

// weight is a down-projection in the file.
type weight struct {
	file  *gguf.File
	info  gguf.TensorInfo
	q     Quantizer
	scale float32 // that its product is multiplied by, 1 where there is none
}

// weightOf finds the down-projection of a layer and checks that it can be
// edited there: [n_ff, n_embd] of a type with rows that can be read.
func weightOf(f *gguf.File, q Quantizer, layer int, info Info) (*weight, error) {
	name := tensorName(layer)
	t, ok := f.Tensor(name)
	if !ok {
		return nil, errorf(ErrUnsupported, "architecture %s: the model has no %s", info.Arch, name)
	}
	if len(t.Dims) < 2 || t.Rows() != int64(info.Width) || t.RowLength() != int64(info.FeedForward[layer]) {
		return nil, errorf(ErrUnsupported, "architecture %s: %s is %s instead of %dx%d", info.Arch, name, t.Shape(), info.FeedForward[layer], info.Width)
	}
	w := &weight{f, t, q, 1}
	if _, ok := f.Tensor(scaleName(layer)); ok {
		s, err := readF32(f, scaleName(layer), 1)
		if err != nil {
			return nil, err
		}
		if w.scale = s[0]; w.scale == 0 || !finite(s) {
			return nil, errorf(ErrUnsupported, "%s is %v", scaleName(layer), s[0])
		}
	}
	return w, nil
}

// rowsAtOnce is how many rows are converted in one piece.
const rowsAtOnce = 64

// each hands fn the rows of the weight as floats, a piece at a time, without
// the scale. fn may change them.
func (w *weight) each(ctx context.Context, fn func(first int, rows []float32) error) error {
	r, err := w.file.TensorReader(w.info.Name)
	if err != nil {
		return err
	}
	n, total := int(w.info.RowLength()), int(w.info.Rows())
	rowBytes, err := w.info.Type.RowBytes(int64(n))
	if err != nil {
		return err
	}
	raw := make([]byte, rowBytes*rowsAtOnce)
	rows := make([]float32, n*rowsAtOnce)
	for first := 0; first < total; first += rowsAtOnce {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(rowsAtOnce, total-first)
		if _, err := io.ReadFull(r, raw[:int64(k)*rowBytes]); err != nil {
			return err
		}
		if err := w.q.Dequantize(rows[:k*n], w.info.Type, raw[:int64(k)*rowBytes]); err != nil {
			return err
		}
		if err := fn(first, rows[:k*n]); err != nil {
			return err
		}
	}
	return nil
}

// norm is the Frobenius norm of the weight, its scale included.
func (w *weight) norm(ctx context.Context) (float64, error) {
	var s float64
	err := w.each(ctx, func(_ int, rows []float32) error {
		s += dot(rows, rows)
		return nil
	})
	return math.Sqrt(s) * math.Abs(float64(w.scale)), err
}

// bake returns the data of W + Σ Right Leftᵀ as type t. The scale that stays
// beside the tensor is divided out of the updates.
func (w *weight) bake(ctx context.Context, t gguf.Type, updates []Update, importance []float32) ([]byte, error) {
	n := int(w.info.RowLength())
	rowBytes, err := t.RowBytes(int64(n))
	if err != nil {
		return nil, errorf(ErrUnsupported, "%w", err)
	}
	out := make([]byte, rowBytes*w.info.Rows())
	err = w.each(ctx, func(first int, rows []float32) error {
		for i := range len(rows) / n {
			row := rows[i*n : (i+1)*n]
			for _, u := range updates {
				r := u.Right[first+i] / w.scale
				for k, l := range u.Left {
					row[k] += r * l
				}
			}
		}
		if !finite(rows) {
			return errorf(ErrRefused, "the edited weight %s is not finite", w.info.Name)
		}
		dst := out[int64(first)*rowBytes:]
		return w.q.Quantize(dst[:int64(len(rows)/n)*rowBytes], t, rows, n, importance)
	})
	return out, err
}

// candidates are the types to try for an edited tensor, its own first.
func (w *weight) candidates(importance []float32) []gguf.Type {
	var out []gguf.Type
	for _, t := range []gguf.Type{w.info.Type, gguf.Q8_0, gguf.F16} {
		_, err := t.RowBytes(w.info.RowLength())
		wider := t == w.info.Type || t.BlockBytes()*w.info.Type.BlockSize() > w.info.Type.BlockBytes()*t.BlockSize()
		if err == nil && wider && !slices.Contains(out, t) && (importance != nil || !w.q.NeedsImportance(t)) {
			out = append(out, t)
		}
	}
	return out
}
