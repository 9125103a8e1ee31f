package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// KeyValue is one metadata entry of a file.
type KeyValue struct {
	Key   string
	Value Value
}

// Value is the typed value of a key: a scalar, a string, or an array whose
// elements all have one kind. It keeps every bit of what a file holds, such as
// the payload of a NaN or a bool stored as 2. Values do not change.
// The zero Value is not valid and cannot be written.
type Value struct {
	kind Kind
	elem Kind // of an array
	// data is a string, or for arrays of strings or arrays []string or
	// []Value. All else is []byte, little-endian whatever the file's order.
	data any
}

// Scalar lists the Go types that a value or array element can have.
type Scalar interface {
	uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 |
		float32 | float64 | bool | string
}

// ValueOf returns the value that holds v, of v's own kind.
func ValueOf[T Scalar](v T) Value {
	if s, ok := any(v).(string); ok {
		return Value{kind: KindString, data: s}
	}
	return Value{kind: kindOf[T](), data: pack(v)}
}

// ArrayOf returns the array that holds a copy of vs, elements of their own kind.
func ArrayOf[T Scalar](vs []T) Value {
	v := Value{kind: KindArray, elem: kindOf[T]()}
	if ss, ok := any(vs).([]string); ok {
		v.data = slices.Clone(ss)
	} else {
		v.data = pack(vs)
	}
	return v
}

func kindOf[T Scalar]() Kind {
	switch any(*new(T)).(type) {
	case uint8:
		return KindUint8
	case int8:
		return KindInt8
	case uint16:
		return KindUint16
	case int16:
		return KindInt16
	case uint32:
		return KindUint32
	case int32:
		return KindInt32
	case uint64:
		return KindUint64
	case int64:
		return KindInt64
	case float32:
		return KindFloat32
	case float64:
		return KindFloat64
	case bool:
		return KindBool
	default:
		return KindString
	}
}

// pack encodes a number, a bool, or a slice of them.
func pack(v any) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err) // Scalar admits nothing that fails
	}
	return b
}

// Kind returns the kind of the value.
func (v Value) Kind() Kind { return v.kind }

// Elem returns the kind of an array's elements, and the value's own kind when
// it is no array.
func (v Value) Elem() Kind {
	if v.kind == KindArray {
		return v.elem
	}
	return v.kind
}

// Len returns the number of elements of an array, and 1 for other values.
func (v Value) Len() int {
	switch d := v.data.(type) {
	case []string:
		return len(d)
	case []Value:
		return len(d)
	case []byte:
		return len(d) / int(v.Elem().size())
	case string:
		return 1
	}
	return 0
}

// At returns element i of an array, and the value itself when it is no array.
// It panics when i is out of range.
func (v Value) At(i int) Value {
	if v.kind != KindArray {
		return v
	}
	switch d := v.data.(type) {
	case []string:
		return Value{kind: KindString, data: d[i]}
	case []Value:
		return d[i]
	default:
		n := int(v.elem.size())
		return Value{kind: v.elem, data: v.raw()[i*n : (i+1)*n : (i+1)*n]}
	}
}

func (v Value) raw() []byte {
	b, _ := v.data.([]byte)
	return b
}

// Equal reports whether v and w have the same kind and the same bits.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.elem != w.elem {
		return false
	}
	switch d := v.data.(type) {
	case string:
		s, ok := w.data.(string)
		return ok && s == d
	case []string:
		s, ok := w.data.([]string)
		return ok && slices.Equal(d, s)
	case []Value:
		s, ok := w.data.([]Value)
		return ok && slices.EqualFunc(d, s, Value.Equal)
	case []byte:
		s, ok := w.data.([]byte)
		return ok && bytes.Equal(d, s)
	}
	return w.data == nil
}

// bits returns a scalar of up to 8 bytes, zero-extended.
func (v Value) bits() uint64 {
	var b [8]byte
	copy(b[:], v.raw())
	return binary.LittleEndian.Uint64(b[:])
}

// Uint returns an integer of any kind that is not negative.
func (v Value) Uint() (uint64, bool) {
	switch v.kind {
	case KindUint8, KindUint16, KindUint32, KindUint64:
		return v.bits(), true
	}
	n, ok := v.Int()
	return uint64(n), ok && n >= 0
}

// Int returns an integer of any kind that fits an int64.
func (v Value) Int() (int64, bool) {
	u := v.bits()
	switch v.kind {
	case KindInt8:
		return int64(int8(u)), true
	case KindInt16:
		return int64(int16(u)), true
	case KindInt32:
		return int64(int32(u)), true
	case KindInt64:
		return int64(u), true
	case KindUint8, KindUint16, KindUint32, KindUint64:
		return int64(u), u <= math.MaxInt64
	}
	return 0, false
}

// Float returns a floating-point number of either width.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case KindFloat32:
		return float64(math.Float32frombits(uint32(v.bits()))), true
	case KindFloat64:
		return math.Float64frombits(v.bits()), true
	}
	return 0, false
}

// Bool returns a bool; any byte but 0 is true.
func (v Value) Bool() (b, ok bool) {
	return v.bits() != 0, v.kind == KindBool
}

// Text returns a string.
func (v Value) Text() (string, bool) {
	s, ok := v.data.(string)
	return s, ok
}

// String returns a short form for people, one line: strings are quoted and
// long strings and arrays are cut.
func (v Value) String() string {
	switch v.kind {
	case KindString:
		s, _ := v.Text()
		return quote(s)
	case KindArray:
		return v.arrayString()
	case KindBool:
		b, _ := v.Bool()
		return fmt.Sprint(b)
	case KindFloat32:
		return fmt.Sprint(math.Float32frombits(uint32(v.bits())))
	case KindFloat64:
		return fmt.Sprint(math.Float64frombits(v.bits()))
	case KindUint64:
		return fmt.Sprint(v.bits())
	}
	n, _ := v.Int()
	return fmt.Sprint(n)
}

func (v Value) arrayString() string {
	const most = 4
	var b strings.Builder
	fmt.Fprintf(&b, "%v[%d]{", v.elem, v.Len())
	for i := range min(v.Len(), most) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v.At(i).String())
	}
	if v.Len() > most {
		b.WriteString(", ...")
	}
	b.WriteString("}")
	return b.String()
}
