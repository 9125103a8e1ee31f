package llama_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"retcon/gguf"
	"retcon/llama"
)

// steps is, for types whose grid has a regular step, the error that a value may
// have in units of the largest of its block: half a step, a whole one where the
// grid's two ends differ, and a little for the rounding of scales.
var steps = map[gguf.Type]float64{
	gguf.F32: 0x1p-30, gguf.F16: 0x1p-11, gguf.BF16: 0x1p-8,
	gguf.Q8_0: 1 / 253.0, gguf.Q5_1: 1 / 30.5, gguf.Q4_1: 1 / 14.5, gguf.Q5_0: 1 / 15.8, gguf.Q4_0: 1 / 7.8,
	// blocks in blocks: a scale is rounded to 6 or 8 bits, too
	gguf.Q6_K: 1 / 40.0, gguf.Q5_K: 1 / 25.0, gguf.Q4_K: 1 / 12.0, gguf.Q3_K: 1 / 5.0, gguf.Q2_K: 1 / 3.0,
	gguf.IQ4_NL: 1 / 12.0, gguf.IQ4_XS: 1 / 12.0, gguf.MXFP4: 1 / 6.0, gguf.NVFP4: 1 / 6.0,
}

// energyLost bounds the share of a row's energy that a type may lose: the
// coarsest know -1, 0 and 1 times the largest value only.
func energyLost(t gguf.Type) float64 {
	switch t {
	case gguf.TQ1_0, gguf.TQ2_0, gguf.Q2_0, gguf.Q1_0:
		return 0.75
	case gguf.IQ1_S, gguf.IQ1_M:
		return 0.3
	case gguf.IQ2_XXS, gguf.IQ2_XS, gguf.IQ2_S, gguf.Q2_K:
		return 0.15
	}
	return 0.05
}

// slow reports types whose tables take ggml seconds to make.
func slow(t gguf.Type) bool { return llama.NeedsImportance(int(t)) || t == gguf.IQ2_S }

func rowsOf(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, 9))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

func importance(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1 + float32(i%3)
	}
	return v
}

// What is written and read again is near what it was, for every type that ggml
// can write.
func TestQuantizeRoundTrip(t *testing.T) {
	const width, rows = 256, 8
	src := rowsOf(width * rows)
	top := 0.0
	energy := 0.0
	for _, v := range src {
		top = max(top, math.Abs(float64(v)))
		energy += float64(v) * float64(v)
	}
	written := 0
	for _, typ := range gguf.Types() {
		bytes, err := typ.RowBytes(width)
		if err != nil || testing.Short() && slow(typ) {
			continue
		}
		packed, back := make([]byte, bytes*rows), make([]float32, len(src))
		err = llama.Quantize(packed, int(typ), src, width, importance(width))
		if err != nil {
			if !errors.Is(err, llama.ErrUnsupported) || steps[typ] != 0 {
				t.Errorf("%s: %v", typ, err)
			}
			continue
		}
		written++
		if err := llama.Dequantize(back, int(typ), packed); err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		worst, lost := 0.0, 0.0
		for i, v := range back {
			d := math.Abs(float64(v - src[i]))
			worst, lost = max(worst, d), lost+d*d
		}
		t.Logf("%-8s worst %.4f of the largest, %.4f of the energy lost", typ, worst/top, lost/energy)
		if bound, ok := steps[typ]; ok && !(worst <= bound*top) {
			t.Errorf("%s: a value is off by %g of the largest, more than %g", typ, worst/top, bound)
		}
		if !(lost/energy < energyLost(typ)) {
			t.Errorf("%s: %g of the energy is lost", typ, lost/energy)
		}
	}
	if written < 20 && !testing.Short() {
		t.Errorf("only %d types can be written", written)
	}
}

func TestQuantizeRefuses(t *testing.T) {
	const width = 256
	fill := func(v float32) []float32 {
		s := rowsOf(width)
		s[100] = v
		return s
	}
	good := rowsOf(width)
	size := func(typ gguf.Type) int {
		n, err := typ.RowBytes(width)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name  string
		typ   gguf.Type
		bytes int
		src   []float32
		row   int
		imp   []float32
	}{
		{"NaN", gguf.Q4_K, size(gguf.Q4_K), fill(nan), width, nil},
		{"infinity", gguf.F16, size(gguf.F16), fill(inf), width, nil},
		{"minus infinity", gguf.Q8_0, size(gguf.Q8_0), fill(-inf), width, nil},
		{"a row of no whole blocks", gguf.Q4_K, size(gguf.Q4_K), good, 128, nil},
		{"no whole rows", gguf.Q8_0, size(gguf.Q8_0), good, 96, nil},
		{"rows of no width", gguf.Q8_0, size(gguf.Q8_0), good, 0, nil},
		{"rows of negative width", gguf.Q8_0, size(gguf.Q8_0), good, -32, nil},
		{"too few bytes", gguf.Q8_0, size(gguf.Q8_0) - 1, good, width, nil},
		{"too many bytes", gguf.Q8_0, size(gguf.Q8_0) + 34, good, width, nil},
		{"a missing importance", gguf.IQ2_XXS, size(gguf.IQ2_XXS), good, width, nil},
		{"a short importance", gguf.Q4_K, size(gguf.Q4_K), good, width, importance(width - 1)},
		{"an importance that is NaN", gguf.IQ2_XXS, size(gguf.IQ2_XXS), good, width, fill(nan)},
		{"a negative importance", gguf.IQ2_XXS, size(gguf.IQ2_XXS), good, width, fill(-1)},
		{"an infinite importance", gguf.Q4_K, size(gguf.Q4_K), good, width, fill(inf)},
		{"no such type", 999, 256, good, width, nil},
		{"a huge type", 1 << 31, 256, good, width, nil},
	} {
		if err := llama.Quantize(make([]byte, c.bytes), int(c.typ), c.src, c.row, c.imp); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, typ := range []gguf.Type{gguf.I32, gguf.Q8_K, gguf.Q8_1} {
		if err := llama.Quantize(make([]byte, size(typ)), int(typ), good, width, nil); !errors.Is(err, llama.ErrUnsupported) {
			t.Errorf("%s: %v", typ, err)
		}
	}
	// larger than F16 holds
	if err := llama.Quantize(make([]byte, size(gguf.F16)), int(gguf.F16), fill(1e30), width, nil); err == nil {
		t.Error("1e30 becomes an F16")
	}
}

// An importance of zeros says nothing; it must not stop the process.
func TestZeroImportance(t *testing.T) {
	const width = 256
	for _, typ := range gguf.Types() {
		bytes, err := typ.RowBytes(width)
		if err != nil || testing.Short() && slow(typ) {
			continue
		}
		dst := make([]byte, bytes)
		for _, src := range [][]float32{rowsOf(width), make([]float32, width)} {
			err := llama.Quantize(dst, int(typ), src, width, make([]float32, width))
			if err != nil && !errors.Is(err, llama.ErrUnsupported) {
				t.Errorf("%s: %v", typ, err)
			}
		}
	}
}

func TestDequantizeRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		typ    int
		values int
		bytes  int
	}{
		{"too few bytes", int(gguf.Q8_0), 64, 67},
		{"too many values", int(gguf.Q8_0), 96, 68},
		{"no whole block", int(gguf.Q8_0), 33, 34},
		{"no such type", 12345, 32, 32},
		{"a negative type", -3, 32, 32},
	} {
		if err := llama.Dequantize(make([]float32, c.values), c.typ, make([]byte, c.bytes)); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := llama.Dequantize(nil, int(gguf.Q8_0), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

func TestTypeName(t *testing.T) {
	if llama.TypeName(int(gguf.Q4_K)) != "q4_K" || llama.TypeName(-1) != "" || llama.TypeName(4711) != "" {
		t.Error("types have other names")
	}
	if llama.NeedsImportance(int(gguf.Q4_K)) || !llama.NeedsImportance(int(gguf.IQ1_S)) || llama.NeedsImportance(-1) {
		t.Error("other types need an importance")
	}
}
