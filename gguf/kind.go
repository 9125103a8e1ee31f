package gguf

import "fmt"

// Kind is the type of a key's value, with GGUF's numbers.
type Kind uint32

// The kinds of value.
const (
	KindUint8   Kind = 0
	KindInt8    Kind = 1
	KindUint16  Kind = 2
	KindInt16   Kind = 3
	KindUint32  Kind = 4
	KindInt32   Kind = 5
	KindFloat32 Kind = 6
	KindBool    Kind = 7
	KindString  Kind = 8
	KindArray   Kind = 9
	KindUint64  Kind = 10
	KindInt64   Kind = 11
	KindFloat64 Kind = 12
)

// kinds gives each kind its name in llama.cpp's logs and its size in bytes,
// which is 0 where it varies.
var kinds = [...]struct {
	name string
	size int64
}{
	KindUint8:   {"u8", 1},
	KindInt8:    {"i8", 1},
	KindUint16:  {"u16", 2},
	KindInt16:   {"i16", 2},
	KindUint32:  {"u32", 4},
	KindInt32:   {"i32", 4},
	KindFloat32: {"f32", 4},
	KindBool:    {"bool", 1},
	KindString:  {"str", 0},
	KindArray:   {"arr", 0},
	KindUint64:  {"u64", 8},
	KindInt64:   {"i64", 8},
	KindFloat64: {"f64", 8},
}

func (k Kind) valid() bool { return k < Kind(len(kinds)) }

// size returns the bytes of one value, 0 for strings and arrays.
func (k Kind) size() int64 { return kinds[k].size }

// String returns llama.cpp's name of the kind, such as "u32".
func (k Kind) String() string {
	if !k.valid() {
		return fmt.Sprintf("Kind(%d)", uint32(k))
	}
	return kinds[k].name
}
