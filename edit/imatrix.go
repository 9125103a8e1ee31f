package edit

import (
	"encoding/binary"
	"fmt"
	"math"

	"retcon/gguf"
)

// readImatrix reads the mean squares [n] of the inputs of a tensor, and from
// how many inputs they are, out of an importance matrix of llama.cpp:
// tensors NAME.in_sum2 and NAME.counts (tools/imatrix).
func readImatrix(path, name string, n int) (meanSquares []float64, count float64, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("importance matrix: %w", err)
	}
	defer f.Close()
	sums, err := readF32(f, name+".in_sum2", int64(n))
	if err != nil {
		return nil, 0, fmt.Errorf("importance matrix %s: %w", path, err)
	}
	counts, err := readF32(f, name+".counts", 1)
	if err != nil {
		return nil, 0, fmt.Errorf("importance matrix %s: %w", path, err)
	}
	count = float64(counts[0])
	if !(count > 0) {
		return nil, 0, errorf(ErrStats, "the importance matrix %s has no inputs for %s", path, name)
	}
	meanSquares = make([]float64, n)
	for i, v := range sums {
		meanSquares[i] = float64(v) / count
		if !(meanSquares[i] >= 0) || math.IsInf(meanSquares[i], 0) {
			return nil, 0, errorf(ErrStats, "the importance matrix %s has %v for %s", path, v, name)
		}
	}
	return meanSquares, count, nil
}

// readF32 reads a whole tensor of n floats.
func readF32(f *gguf.File, name string, n int64) ([]float32, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("tensor %s: %w", name, gguf.ErrNotFound)
	}
	if t.Type != gguf.F32 || t.Elements() != n {
		return nil, errorf(ErrUnsupported, "tensor %s is %v %s instead of %d floats", name, t.Type, t.Shape(), n)
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

// tensorName is the down-projection of a layer.
func tensorName(layer int) string { return fmt.Sprintf("blk.%d.ffn_down.weight", layer) }

// scaleName is the factor that some types have beside it.
func scaleName(layer int) string { return fmt.Sprintf("blk.%d.ffn_down.scale", layer) }
