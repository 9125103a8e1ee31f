package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// A spec describes a generated file.
type spec struct {
	seed    uint64
	version uint32
	order   binary.ByteOrder
	align   uint32 // 0 to leave the key out
	tensors int
	nested  bool // with arrays of arrays
}

func (s spec) String() string {
	return fmt.Sprintf("v%d %v align=%d tensors=%d nested=%v", s.version, s.order, s.align, s.tensors, s.nested)
}

// specs covers versions, byte orders and alignments.
func specs() []spec {
	var all []spec
	for _, version := range []uint32{2, 3} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			for i, align := range []uint32{0, 1, 2, 8, 32, 64, 4096} {
				all = append(all, spec{uint64(len(all)), version, order, align, 7 * (i % 6), i%2 == 0})
			}
		}
	}
	return all
}

// builder fills a Builder with keys of every kind and tensors of random types
// and shapes. It also returns the tensors' data by name.
func (s spec) builder() (*Builder, map[string][]byte) {
	rnd := rand.New(rand.NewPCG(s.seed, 1))
	b := &Builder{Version: s.version, ByteOrder: s.order}
	b.Set("general.architecture", ValueOf("test"))
	if s.align != 0 {
		b.Set(keyAlignment, ValueOf(s.align))
	}
	for _, kv := range everyKind(s.nested) {
		b.Set(kv.Key, kv.Value)
	}
	data := make(map[string][]byte)
	types := Types()
	for i := range s.tensors {
		typ := types[rnd.IntN(len(types))]
		dims := make([]int64, rnd.IntN(MaxDims+1))
		for j := range dims {
			dims[j] = 1 + rnd.Int64N(3)
		}
		if len(dims) > 0 {
			dims[0] *= typ.BlockSize()
		} else if typ.BlockSize() > 1 {
			dims = []int64{typ.BlockSize()}
		}
		b.Add(randomTensor(rnd, fmt.Sprintf("blk.%d.t", i), typ, dims, data))
	}
	return b, data
}

func randomTensor(rnd *rand.Rand, name string, typ Type, dims []int64, data map[string][]byte) Tensor {
	size, err := tensorSize(typ, dims)
	if err != nil {
		panic(err)
	}
	raw := make([]byte, size)
	for i := range raw {
		raw[i] = byte(rnd.Uint32())
	}
	data[name] = raw
	return Tensor{name, typ, dims, Bytes(raw)}
}

// everyKind has a scalar, an array and an empty array of every kind, with the
// values that are easiest to lose.
func everyKind(nested bool) []KeyValue {
	kv := []KeyValue{
		{"string.invalid", ValueOf("\xff\x00\nü")},
		{"string.empty", ValueOf("")},
		{"f32.nan", Value{kind: KindFloat32, data: []byte{1, 0, 0xa0, 0x7f}}}, // signalling, with payload
		{"f64.nan", Value{kind: KindFloat64, data: []byte{1, 0, 0, 0, 0, 0, 0xf4, 0x7f}}},
		{"f32.zero", ValueOf(float32(math.Copysign(0, -1)))},
		{"bool.odd", Value{kind: KindBool, data: []byte{2}}},
		{"bools.odd", Value{kind: KindArray, elem: KindBool, data: []byte{0, 1, 255}}},
	}
	kv = append(kv, kindValues("u8", uint8(0), 1, math.MaxUint8)...)
	kv = append(kv, kindValues("i8", int8(0), math.MinInt8, math.MaxInt8)...)
	kv = append(kv, kindValues("u16", uint16(1), math.MaxUint16)...)
	kv = append(kv, kindValues("i16", int16(1), math.MinInt16)...)
	kv = append(kv, kindValues("u32", uint32(1), math.MaxUint32)...)
	kv = append(kv, kindValues("i32", int32(1), math.MinInt32)...)
	kv = append(kv, kindValues("u64", uint64(1), math.MaxUint64)...)
	kv = append(kv, kindValues("i64", int64(1), math.MinInt64)...)
	kv = append(kv, kindValues("f32", float32(1.5), math.MaxFloat32, float32(math.Inf(-1)))...)
	kv = append(kv, kindValues("f64", 1.5, math.SmallestNonzeroFloat64)...)
	kv = append(kv, kindValues("bool", false, true)...)
	kv = append(kv, kindValues("str", "a", "", "\x1b[31m")...)
	if nested {
		kv = append(kv,
			KeyValue{"nested.empty", arrayOfArrays()},
			KeyValue{"nested.two", arrayOfArrays(ArrayOf([]uint16{1, 2}), ArrayOf([]string{"x"}))},
			KeyValue{"nested.three", arrayOfArrays(arrayOfArrays(ArrayOf([]float64{1}), ArrayOf([]bool{})))})
	}
	return kv
}

// arrayOfArrays is a value that the format has and llama.cpp refuses.
func arrayOfArrays(vs ...Value) Value {
	return Value{kind: KindArray, elem: KindArray, data: vs}
}

func kindValues[T Scalar](name string, xs ...T) []KeyValue {
	kv := []KeyValue{{name + ".array", ArrayOf(xs)}, {name + ".none", ArrayOf([]T{})}}
	for i, x := range xs {
		kv = append(kv, KeyValue{fmt.Sprintf("%s.%d", name, i), ValueOf(x)})
	}
	return kv
}

// build returns the bytes of a Builder's file.
func build(t testing.TB, b *Builder) []byte {
	t.Helper()
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// open parses a file that is in memory.
func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// written returns the bytes of an output and checks its size.
func written(t testing.TB, o *Output, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	n, err := o.WriteTo(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if n != o.Size() || int64(buf.Len()) != n {
		t.Fatalf("wrote %d bytes, returned %d, promised %d", buf.Len(), n, o.Size())
	}
	return buf.Bytes()
}
