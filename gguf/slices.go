package gguf

import (
	"encoding/binary"
	"slices"
)

// As returns the value as a T. It is false when the kind is another one.
func As[T Scalar](v Value) (T, bool) {
	var x T
	if v.data == nil || v.kind != kindOf[T]() {
		return x, false
	}
	switch p := any(&x).(type) {
	case *string:
		*p, _ = v.Text()
	case *bool:
		*p, _ = v.Bool()
	default:
		binary.Decode(v.raw(), binary.LittleEndian, &x)
	}
	return x, true
}

// SliceOf returns a copy of an array's elements as a []T. It is false when the
// elements are of another kind.
func SliceOf[T Scalar](v Value) ([]T, bool) {
	if v.kind != KindArray || v.elem != kindOf[T]() {
		return nil, false
	}
	if ss, ok := v.data.([]string); ok {
		return any(slices.Clone(ss)).([]T), true
	}
	xs := make([]T, v.Len())
	binary.Decode(v.raw(), binary.LittleEndian, xs)
	return xs, true
}

// Strings returns a copy of an array of strings.
func (v Value) Strings() ([]string, bool) { return SliceOf[string](v) }

// Ints returns an array of integers of any kind that all fit an int64.
func (v Value) Ints() ([]int64, bool) { return collect(v, Value.Int) }

// Uints returns an array of integers of any kind, none of them negative.
func (v Value) Uints() ([]uint64, bool) { return collect(v, Value.Uint) }

// Floats returns an array of floating-point numbers of either width.
func (v Value) Floats() ([]float64, bool) { return collect(v, Value.Float) }

func collect[T any](v Value, get func(Value) (T, bool)) ([]T, bool) {
	if v.kind != KindArray || v.elem == KindArray {
		return nil, false
	}
	if _, ok := get(Value{kind: v.elem}); !ok {
		return nil, false // the kind does not fit, even where there is no element
	}
	xs := make([]T, v.Len())
	for i := range xs {
		x, ok := get(v.At(i))
		if !ok {
			return nil, false
		}
		xs[i] = x
	}
	return xs, true
}
