package weight

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// Weight is a down-projection in the file.
type Weight struct {
	file  *gguf.File
	Info  gguf.TensorInfo
	Q     lm.Quantizer
	Scale float32 // that its product is multiplied by, 1 where there is none
}

// Of finds the down-projection of a layer and checks that it can be
// edited there: [n_ff, n_embd] of a type with rows that can be read.
func Of(f *gguf.File, q lm.Quantizer, layer int, info lm.Info) (*Weight, error) {
	name := Name(layer)
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fault.Errorf(lm.ErrUnsupported, "architecture %s: the model has no %s", info.Arch, name)
	}
	if len(t.Dims) < 2 || t.Rows() != int64(info.Width) || t.RowLength() != int64(info.FeedForward[layer]) {
		return nil, fault.Errorf(lm.ErrUnsupported, "architecture %s: %s is %s instead of %dx%d", info.Arch, name, t.Shape(), info.FeedForward[layer], info.Width)
	}
	w := &Weight{f, t, q, 1}
	if _, ok := f.Tensor(ScaleName(layer)); ok {
		s, err := ReadF32(f, ScaleName(layer), 1)
		if err != nil {
			return nil, err
		}
		if w.Scale = s[0]; w.Scale == 0 || !vec.Finite(s) {
			return nil, fault.Errorf(lm.ErrUnsupported, "%s is %v", ScaleName(layer), s[0])
		}
	}
	return w, nil
}

// Tensor is any tensor of a file, as it stands there, without a scale.
func Tensor(f *gguf.File, t gguf.TensorInfo, q lm.Quantizer) *Weight { return &Weight{f, t, q, 1} }

// rowsAtOnce is how many rows are converted in one piece.
const rowsAtOnce = 64

// Each hands fn the rows of the weight as floats, a piece at a time, without
// the scale. fn may change them.
func (w *Weight) Each(ctx context.Context, fn func(first int, rows []float32) error) error {
	r, err := w.file.TensorReader(w.Info.Name)
	if err != nil {
		return err
	}
	n, total := int(w.Info.RowLength()), int(w.Info.Rows())
	rowBytes, err := w.Info.Type.RowBytes(int64(n))
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
		if err := w.Q.Dequantize(rows[:k*n], w.Info.Type, raw[:int64(k)*rowBytes]); err != nil {
			return err
		}
		if err := fn(first, rows[:k*n]); err != nil {
			return err
		}
	}
	return nil
}

// Norm is the Frobenius norm of the weight, its scale included.
func (w *Weight) Norm(ctx context.Context) (float64, error) {
	var s float64
	err := w.Each(ctx, func(_ int, rows []float32) error {
		s += vec.Dot(rows, rows)
		return nil
	})
	return math.Sqrt(s) * math.Abs(float64(w.Scale)), err
}

// Bake returns the data of W + Σ Right Leftᵀ as type t. The scale that stays
// beside the tensor is divided out of the updates.
func (w *Weight) Bake(ctx context.Context, t gguf.Type, updates []lm.Update, importance []float32) ([]byte, error) {
	n := int(w.Info.RowLength())
	rowBytes, err := t.RowBytes(int64(n))
	if err != nil {
		return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	out := make([]byte, rowBytes*w.Info.Rows())
	err = w.Each(ctx, func(first int, rows []float32) error {
		for i := range len(rows) / n {
			row := rows[i*n : (i+1)*n]
			for _, u := range updates {
				r := u.Right[first+i] / w.Scale
				for k, l := range u.Left {
					row[k] += r * l
				}
			}
		}
		if !vec.Finite(rows) {
			return fault.Errorf(fault.ErrRefused, "the edited weight %s is not finite", w.Info.Name)
		}
		dst := out[int64(first)*rowBytes:]
		return w.Q.Quantize(dst[:int64(len(rows)/n)*rowBytes], t, rows, n, importance)
	})
	return out, err
}

// Candidates are the types to try for an edited tensor, its own first.
func (w *Weight) Candidates(importance []float32) []gguf.Type {
	var out []gguf.Type
	for _, t := range []gguf.Type{w.Info.Type, gguf.Q8_0, gguf.F16} {
		_, err := t.RowBytes(w.Info.RowLength())
		wider := t == w.Info.Type || t.BlockBytes()*w.Info.Type.BlockSize() > w.Info.Type.BlockBytes()*t.BlockSize()
		if err == nil && wider && !slices.Contains(out, t) && (importance != nil || !w.Q.NeedsImportance(t)) {
			out = append(out, t)
		}
	}
	return out
}

// Name is the down-projection of a layer.
func Name(layer int) string { return fmt.Sprintf("blk.%d.ffn_down.weight", layer) }

// ScaleName is the factor that some types have beside it.
func ScaleName(layer int) string { return fmt.Sprintf("blk.%d.ffn_down.scale", layer) }
