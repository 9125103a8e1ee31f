package gguf

import (
	"fmt"
	"math"
	"strings"
)

const (
	// MaxDims is the most dimensions that a tensor can have.
	MaxDims = 4
	// MaxName is the most bytes that a tensor's name can have.
	MaxName = 63
)

// TensorInfo describes one tensor of a file.
type TensorInfo struct {
	Name string
	// Dims has the number of elements in each dimension, at most four, in
	// ggml's order: Dims[0] is the contiguous row. None for a single element.
	Dims []int64
	Type Type
	// Offset is where the data begins, in bytes from the start of the shard's
	// data section. See File.DataOffset.
	Offset int64
	// Size is the length of the data in bytes, without padding.
	Size int64
	// Shard is the index of the file that has the data, 0 if not split.
	Shard int
}

// Elements returns the number of elements.
func (t TensorInfo) Elements() int64 {
	n := int64(1)
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// RowLength returns the number of elements in a row, Dims[0].
func (t TensorInfo) RowLength() int64 {
	if len(t.Dims) == 0 {
		return 1
	}
	return t.Dims[0]
}

// Rows returns the number of rows, the product of all Dims but the first.
func (t TensorInfo) Rows() int64 {
	n := int64(1)
	for _, d := range t.Dims[min(1, len(t.Dims)):] {
		n *= d
	}
	return n
}

// Shape returns the dimensions as text, such as "576x1536".
func (t TensorInfo) Shape() string {
	if len(t.Dims) == 0 {
		return "1"
	}
	var b strings.Builder
	for i, d := range t.Dims {
		if i > 0 {
			b.WriteByte('x')
		}
		fmt.Fprint(&b, d)
	}
	return b.String()
}

// tensorSize returns the bytes of a tensor's data. It applies ggml's rules:
// at most four dimensions, rows of whole blocks, and a number of elements and
// of bytes below 2^63.
func tensorSize(typ Type, dims []int64) (int64, error) {
	if len(dims) > MaxDims {
		return 0, errorf(ErrFormat, "%d dimensions; the limit is %d", len(dims), MaxDims)
	}
	row, elements, empty := int64(1), int64(1), false
	for i, d := range dims {
		if d < 0 {
			return 0, errorf(ErrFormat, "dimension %d is negative: %d", i, d)
		}
		if i == 0 {
			row = d
		}
		empty = empty || d == 0
		if d > 0 && elements > (math.MaxInt64-1)/d {
			return 0, errorf(ErrFormat, "shape %s has too many elements", TensorInfo{Dims: dims}.Shape())
		}
		elements *= max(d, 1)
	}
	rowBytes, err := typ.RowBytes(row)
	if err != nil || empty {
		return 0, err
	}
	rows := elements / row
	if rowBytes > math.MaxInt64/rows {
		return 0, errorf(ErrFormat, "shape %s takes too many bytes", TensorInfo{Dims: dims}.Shape())
	}
	return rowBytes * rows, nil
}

// pad returns the smallest multiple of align that is at least n. It is false
// when that does not fit an int64.
func pad(n, align int64) (int64, bool) {
	if n > math.MaxInt64-(align-1) {
		return 0, false
	}
	return (n + align - 1) &^ (align - 1), true
}
