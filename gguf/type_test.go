package gguf

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestTypeNames(t *testing.T) {
	if n := len(Types()); n != 35 { // ggml's 43 numbers less the 8 that were removed
		t.Errorf("%d types, want 35", n)
	}
	for _, typ := range Types() {
		for _, name := range []string{typ.String(), strings.ToLower(typ.String())} {
			if got, err := ParseType(name); err != nil || got != typ {
				t.Errorf("ParseType(%q) = %v, %v", name, got, err)
			}
		}
	}
	for _, name := range []string{"", "Q4_2", "Q9_K", "Q4_0_4_4"} {
		if got, err := ParseType(name); err == nil {
			t.Errorf("ParseType(%q) = %v", name, got)
		}
	}
	for typ, want := range map[Type]string{4: "Q4_2 (removed from GGUF)", 43: "Type(43)", math.MaxUint32: "Type(4294967295)"} {
		if typ.Valid() || typ.String() != want || typ.BlockSize() != 0 || typ.BlockBytes() != 0 || typ.IsQuantized() {
			t.Errorf("type %d: %v %v, want %s", uint32(typ), typ.Valid(), typ, want)
		}
	}
}

// Bits per weight as ggml's documentation and llama-quantize state them.
func TestTypeSizes(t *testing.T) {
	for typ, bits := range map[Type]float64{
		F32: 32, F16: 16, BF16: 16, F64: 64, I8: 8, I16: 16, I32: 32, I64: 64,
		Q4_0: 4.5, Q4_1: 5, Q5_0: 5.5, Q5_1: 6, Q8_0: 8.5, Q8_1: 9,
		Q2_K: 2.625, Q3_K: 3.4375, Q4_K: 4.5, Q5_K: 5.5, Q6_K: 6.5625, Q8_K: 9.125,
		IQ1_S: 1.5625, IQ1_M: 1.75, IQ2_XXS: 2.0625, IQ2_XS: 2.3125, IQ2_S: 2.5625,
		IQ3_XXS: 3.0625, IQ3_S: 3.4375, IQ4_XS: 4.25, IQ4_NL: 4.5,
		TQ1_0: 1.6875, TQ2_0: 2.0625, MXFP4: 4.25, NVFP4: 4.5, Q1_0: 1.125, Q2_0: 2.25,
	} {
		if got := 8 * float64(typ.BlockBytes()) / float64(typ.BlockSize()); got != bits {
			t.Errorf("%v has %g bits per weight, want %g", typ, got, bits)
		}
		if typ.IsQuantized() != (typ.BlockSize() > 1) {
			t.Errorf("%v: IsQuantized = %v", typ, typ.IsQuantized())
		}
	}
}

func TestRowBytes(t *testing.T) {
	for _, c := range []struct {
		typ     Type
		n, want int64 // want is -1 for an error
	}{
		{F32, 0, 0}, {F32, 3, 12}, {Q4_1, 1536, 960}, {Q4_K, 512, 288},
		{Q4_1, 33, -1}, {Q6_K, 32, -1}, {F32, -1, -1}, {Type(4), 32, -1}, {Type(99), 1, -1},
		{F32, math.MaxInt64, -1}, {I8, math.MaxInt64, math.MaxInt64},
	} {
		got, err := c.typ.RowBytes(c.n)
		if c.want < 0 {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%v.RowBytes(%d) = %d, %v", c.typ, c.n, got, err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%v.RowBytes(%d) = %d, %v, want %d", c.typ, c.n, got, err, c.want)
		}
	}
}

func TestTensorSize(t *testing.T) {
	for _, c := range []struct {
		typ  Type
		dims []int64
		want int64 // -1 for an error
	}{
		{F32, nil, 4}, {F16, []int64{3}, 6}, {Q8_0, []int64{64, 3, 2}, 2 * 34 * 6},
		{F32, []int64{0}, 0}, {F32, []int64{4, 0, 4}, 0}, {Q8_0, []int64{0, 4}, 0},
		{Q8_0, nil, -1}, {Q8_0, []int64{3, 32}, -1}, {F32, []int64{1, -1}, -1},
		{I8, []int64{1, 1, 1, 1, 1}, -1},
		{I8, []int64{1 << 32, 1 << 32}, -1}, {I8, []int64{1 << 31, 1 << 31}, 1 << 62},
		{F32, []int64{1 << 31, 1 << 31}, -1}, {F32, []int64{1 << 62}, -1},
		{I8, []int64{math.MaxInt64}, -1}, {I8, []int64{2, math.MaxInt64}, -1},
	} {
		got, err := tensorSize(c.typ, c.dims)
		if c.want < 0 && !errors.Is(err, ErrFormat) || c.want >= 0 && (err != nil || got != c.want) {
			t.Errorf("%v %v takes %d, %v, want %d", c.typ, c.dims, got, err, c.want)
		}
	}
	info := TensorInfo{Dims: []int64{64, 3, 2}}
	if info.Elements() != 384 || info.Rows() != 6 || info.RowLength() != 64 || info.Shape() != "64x3x2" {
		t.Errorf("%d %d %d %s", info.Elements(), info.Rows(), info.RowLength(), info.Shape())
	}
	if one := (TensorInfo{}); one.Elements() != 1 || one.Rows() != 1 || one.RowLength() != 1 {
		t.Errorf("%d %d %d", one.Elements(), one.Rows(), one.RowLength())
	}
}
