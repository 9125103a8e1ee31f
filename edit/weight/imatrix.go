package weight

import (
	"fmt"
	"math"

	"retcon/gguf"
	"retcon/internal/fault"
)

// ReadImatrix reads the mean squares [n] of the inputs of a tensor, and from
// how many inputs they are, out of an importance matrix of llama.cpp:
// tensors NAME.in_sum2 and NAME.counts (tools/imatrix).
func ReadImatrix(path, name string, n int) (meanSquares []float64, count float64, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("importance matrix: %w", err)
	}
	defer f.Close()
	sums, err := ReadF32(f, name+".in_sum2", int64(n))
	if err != nil {
		return nil, 0, fmt.Errorf("importance matrix %s: %w", path, err)
	}
	counts, err := ReadF32(f, name+".counts", 1)
	if err != nil {
		return nil, 0, fmt.Errorf("importance matrix %s: %w", path, err)
	}
	count = float64(counts[0])
	if !(count > 0) {
		return nil, 0, fault.Errorf(fault.ErrStats, "the importance matrix %s has no inputs for %s", path, name)
	}
	meanSquares = make([]float64, n)
	for i, v := range sums {
		meanSquares[i] = float64(v) / count
		if !(meanSquares[i] >= 0) || math.IsInf(meanSquares[i], 0) {
			return nil, 0, fault.Errorf(fault.ErrStats, "the importance matrix %s has %v for %s", path, v, name)
		}
	}
	return meanSquares, count, nil
}
