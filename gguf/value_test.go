package gguf

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestValueScalars(t *testing.T) {
	for _, c := range []struct {
		v              Value
		kind           Kind
		text           string
		uint, int, flt bool // which getters take it
	}{
		{ValueOf(uint8(255)), KindUint8, "255", true, true, false},
		{ValueOf(int8(-128)), KindInt8, "-128", false, true, false},
		{ValueOf(int16(-2)), KindInt16, "-2", false, true, false},
		{ValueOf(int32(7)), KindInt32, "7", true, true, false},
		{ValueOf(uint64(math.MaxUint64)), KindUint64, "18446744073709551615", true, false, false},
		{ValueOf(int64(math.MinInt64)), KindInt64, "-9223372036854775808", false, true, false},
		{ValueOf(float32(0.1)), KindFloat32, "0.1", false, false, true},
		{ValueOf(0.1), KindFloat64, "0.1", false, false, true},
		{ValueOf(true), KindBool, "true", false, false, false},
		{ValueOf("a\nb"), KindString, `"a\nb"`, false, false, false},
		{ArrayOf([]int32{1, 2, 3, 4, 5}), KindArray, "i32[5]{1, 2, 3, 4, ...}", false, false, false},
		{Value{}, KindUint8, "0", true, true, false},
	} {
		_, isUint := c.v.Uint()
		_, isInt := c.v.Int()
		_, isFloat := c.v.Float()
		if c.v.Kind() != c.kind || c.v.String() != c.text || isUint != c.uint || isInt != c.int || isFloat != c.flt {
			t.Errorf("%v: %v uint=%v int=%v float=%v, want %+v", c.v, c.v.Kind(), isUint, isInt, isFloat, c)
		}
	}
}

// checkAs tests that values come out of a Value as they went in.
func checkAs[T Scalar](t *testing.T, xs ...T) {
	t.Helper()
	for _, x := range xs {
		if got, ok := As[T](ValueOf(x)); !ok || got != x {
			t.Errorf("As(ValueOf(%v)) = %v, %v", x, got, ok)
		}
	}
	if got, ok := SliceOf[T](ArrayOf(xs)); !ok || !slices.Equal(got, xs) {
		t.Errorf("SliceOf(ArrayOf(%v)) = %v, %v", xs, got, ok)
	}
	if v := ArrayOf(xs); v.Len() != len(xs) || v.Elem() != kindOf[T]() || !v.At(0).Equal(ValueOf(xs[0])) {
		t.Errorf("ArrayOf(%v) has %d of %v", xs, v.Len(), v.Elem())
	}
}

func TestAs(t *testing.T) {
	checkAs[uint8](t, 1, 255)
	checkAs[int8](t, -1, 127)
	checkAs[uint16](t, 1, math.MaxUint16)
	checkAs[int16](t, -1)
	checkAs[uint32](t, 1, math.MaxUint32)
	checkAs[int32](t, -1)
	checkAs[uint64](t, 1, math.MaxUint64)
	checkAs[int64](t, -1)
	checkAs[float32](t, 1.5)
	checkAs(t, 1.5)
	checkAs(t, true, false)
	checkAs(t, "x", "")
	if _, ok := As[uint32](ValueOf(int32(1))); ok {
		t.Error("an i32 was taken for a u32")
	}
	if _, ok := As[uint8](Value{}); ok {
		t.Error("no value was taken for a u8")
	}
	if _, ok := SliceOf[string](ValueOf("x")); ok {
		t.Error("a string was taken for an array")
	}
}

func TestGetters(t *testing.T) {
	b := NewBuilder()
	b.Set("s", ValueOf("text"))
	b.Set("u", ValueOf(uint16(3)))
	b.Set("i", ValueOf(int64(-3)))
	b.Set("f", ValueOf(float32(0.5)))
	b.Set("b", ValueOf(true))
	b.Set("ss", ArrayOf([]string{"a", "b"}))
	b.Set("ii", ArrayOf([]int16{-1, 2}))
	b.Set("uu", ArrayOf([]int8{1, 2}))
	b.Set("ff", ArrayOf([]float64{1, 2}))
	b.Set("none", ArrayOf([]string{}))
	f := open(t, build(t, b))
	good := []func() (any, error){
		func() (any, error) { return f.String("s") }, func() (any, error) { return f.Uint("u") },
		func() (any, error) { return f.Int("i") }, func() (any, error) { return f.Float("f") },
		func() (any, error) { return f.Bool("b") }, func() (any, error) { return f.Strings("ss") },
		func() (any, error) { return f.Ints("ii") }, func() (any, error) { return f.Uints("uu") },
		func() (any, error) { return f.Floats("ff") },
	}
	for i, get := range good {
		if x, err := get(); err != nil {
			t.Errorf("getter %d: %v, %v", i, x, err)
		}
	}
	bad := map[error][]func() (any, error){
		ErrNotFound: {func() (any, error) { return f.String("absent") }, func() (any, error) { return f.Uints("absent") }},
		ErrKind: {
			func() (any, error) { return f.String("u") }, func() (any, error) { return f.Uint("i") },
			func() (any, error) { return f.Uints("ii") }, func() (any, error) { return f.Ints("none") },
			func() (any, error) { return f.Int("f") }, func() (any, error) { return f.Bool("u") },
			func() (any, error) { return f.Strings("s") },
		},
	}
	for want, gets := range bad {
		for i, get := range gets {
			if x, err := get(); !errors.Is(err, want) {
				t.Errorf("%v: getter %d gave %v, %v", want, i, x, err)
			}
		}
	}
}
