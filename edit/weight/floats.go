package weight

import (
	"encoding/binary"
	"fmt"
	"math"

	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// ReadF32 reads a whole tensor of n floats.
func ReadF32(f *gguf.File, name string, n int64) ([]float32, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("tensor %s: %w", name, gguf.ErrNotFound)
	}
	if t.Type != gguf.F32 || t.Elements() != n {
		return nil, fault.Errorf(lm.ErrUnsupported, "tensor %s is %v %s instead of %d floats", name, t.Type, t.Shape(), n)
	}
	b, err := f.ReadTensor(name, nil)
	if err != nil {
		return nil, err
	}
	out := make([]float32, n)
	var order binary.ByteOrder = f.ByteOrder
	for i := range out {
		out[i] = math.Float32frombits(order.Uint32(b[4*i:]))
	}
	return out, nil
}
