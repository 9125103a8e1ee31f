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
	f, err := gguf.OpenAs(path, gguf.RoleImatrix)
	if err != nil {
		return nil, 0, fmt.Errorf("importance matrix: %w", err)
	}
	defer f.Close()
	return readImatrix(f, path, name, n)
}

// CheckImatrix reports an importance matrix that does not serve down-projections
// of a model: it is none, or has nothing of one of these layers.
func CheckImatrix(path string, model *gguf.File, layers ...int) error {
	f, err := gguf.OpenAs(path, gguf.RoleImatrix)
	if err != nil {
		return fmt.Errorf("importance matrix: %w", err)
	}
	defer f.Close()
	for _, layer := range layers {
		t, ok := model.Tensor(Name(layer))
		if !ok {
			continue // which is said where the layer is to be edited
		}
		if _, _, err := readImatrix(f, path, t.Name, int(t.RowLength())); err != nil {
			return err
		}
	}
	return nil
}

// readImatrix is ReadImatrix on an open file.
func readImatrix(f *gguf.File, path, name string, n int) (meanSquares []float64, count float64, err error) {
	t, ok := f.Tensor(name + ".in_sum2")
	if _, counted := f.Tensor(name + ".counts"); !ok || !counted {
		return nil, 0, fault.Errorf(fault.ErrStats, "the importance matrix %s has nothing of %s: %w", path, name, gguf.ErrNotFound)
	}
	if t.Elements() != int64(n) {
		return nil, 0, fault.Errorf(fault.ErrStats, "the importance matrix %s is of another model: %s has %d inputs there, and %d in this one", path, name, t.Elements(), n)
	}
	sums, err := ReadF32(f, t.Name, int64(n))
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
