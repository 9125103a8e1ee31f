package gguf

import (
	"fmt"
	"math"
	"strings"
)

// Type is the element type of a tensor, with ggml's numbers.
type Type uint32

// The tensor types of ggml. Numbers that are missing belonged to types that
// were removed.
const (
	F32     Type = 0
	F16     Type = 1
	Q4_0    Type = 2
	Q4_1    Type = 3
	Q5_0    Type = 6
	Q5_1    Type = 7
	Q8_0    Type = 8
	Q8_1    Type = 9
	Q2_K    Type = 10
	Q3_K    Type = 11
	Q4_K    Type = 12
	Q5_K    Type = 13
	Q6_K    Type = 14
	Q8_K    Type = 15
	IQ2_XXS Type = 16
	IQ2_XS  Type = 17
	IQ3_XXS Type = 18
	IQ1_S   Type = 19
	IQ4_NL  Type = 20
	IQ3_S   Type = 21
	IQ2_S   Type = 22
	IQ4_XS  Type = 23
	I8      Type = 24
	I16     Type = 25
	I32     Type = 26
	I64     Type = 27
	F64     Type = 28
	IQ1_M   Type = 29
	BF16    Type = 30
	TQ1_0   Type = 34
	TQ2_0   Type = 35
	MXFP4   Type = 39
	NVFP4   Type = 40
	Q1_0    Type = 41
	Q2_0    Type = 42
)

// A typeTrait says how elements are packed: block elements take bytes bytes.
type typeTrait struct {
	name         string
	block, bytes int64
	quantized    bool
}

// traits has one row for each type. The sum in a comment lists the fields of a
// block: scales first, then packed elements.
var traits = [...]typeTrait{
	F32:     {"F32", 1, 4, false},
	F16:     {"F16", 1, 2, false},
	Q4_0:    {"Q4_0", 32, 18, true},     // 2 + 16
	Q4_1:    {"Q4_1", 32, 20, true},     // 2 + 2 + 16
	Q5_0:    {"Q5_0", 32, 22, true},     // 2 + 4 + 16
	Q5_1:    {"Q5_1", 32, 24, true},     // 2 + 2 + 4 + 16
	Q8_0:    {"Q8_0", 32, 34, true},     // 2 + 32
	Q8_1:    {"Q8_1", 32, 36, true},     // 2 + 2 + 32
	Q2_K:    {"Q2_K", 256, 84, true},    // 2 + 2 + 16 + 64
	Q3_K:    {"Q3_K", 256, 110, true},   // 2 + 12 + 32 + 64
	Q4_K:    {"Q4_K", 256, 144, true},   // 2 + 2 + 12 + 128
	Q5_K:    {"Q5_K", 256, 176, true},   // 2 + 2 + 12 + 32 + 128
	Q6_K:    {"Q6_K", 256, 210, true},   // 2 + 16 + 64 + 128
	Q8_K:    {"Q8_K", 256, 292, true},   // 4 + 256 + 32
	IQ2_XXS: {"IQ2_XXS", 256, 66, true}, // 2 + 64
	IQ2_XS:  {"IQ2_XS", 256, 74, true},  // 2 + 64 + 8
	IQ3_XXS: {"IQ3_XXS", 256, 98, true}, // 2 + 96
	IQ1_S:   {"IQ1_S", 256, 50, true},   // 2 + 32 + 16
	IQ4_NL:  {"IQ4_NL", 32, 18, true},   // 2 + 16
	IQ3_S:   {"IQ3_S", 256, 110, true},  // 2 + 104 + 4
	IQ2_S:   {"IQ2_S", 256, 82, true},   // 2 + 64 + 16
	IQ4_XS:  {"IQ4_XS", 256, 136, true}, // 2 + 2 + 4 + 128
	I8:      {"I8", 1, 1, false},
	I16:     {"I16", 1, 2, false},
	I32:     {"I32", 1, 4, false},
	I64:     {"I64", 1, 8, false},
	F64:     {"F64", 1, 8, false},
	IQ1_M:   {"IQ1_M", 256, 56, true}, // 8 + 16 + 32
	BF16:    {"BF16", 1, 2, false},
	TQ1_0:   {"TQ1_0", 256, 54, true}, // 2 + 4 + 48
	TQ2_0:   {"TQ2_0", 256, 66, true}, // 2 + 64
	MXFP4:   {"MXFP4", 32, 17, true},  // 1 + 16
	NVFP4:   {"NVFP4", 64, 36, true},  // 4 + 32
	Q1_0:    {"Q1_0", 128, 18, true},  // 2 + 16
	Q2_0:    {"Q2_0", 64, 18, true},   // 2 + 16
}

// removed names the types that ggml once had, for a message that helps.
var removed = map[Type]string{
	4: "Q4_2", 5: "Q4_3",
	31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
	36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8",
}

// Types returns every type that a tensor can have, by ascending number.
func Types() []Type {
	var all []Type
	for t := range traits {
		if Type(t).Valid() {
			all = append(all, Type(t))
		}
	}
	return all
}

// ParseType returns the type with the given name, such as "Q4_K" or "bf16".
// Case does not matter.
func ParseType(name string) (Type, error) {
	for _, t := range Types() {
		if strings.EqualFold(traits[t].name, name) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown tensor type %s", quote(name))
}

// Valid reports whether t is a type that ggml has today.
func (t Type) Valid() bool {
	return t < Type(len(traits)) && traits[t].block != 0
}

// String returns the name of the type, such as "Q4_1".
func (t Type) String() string {
	if t.Valid() {
		return traits[t].name
	}
	if name, ok := removed[t]; ok {
		return name + " (removed from GGUF)"
	}
	return fmt.Sprintf("Type(%d)", uint32(t))
}

// BlockSize returns the number of elements in a block, 1 for types that are
// not quantised and 0 for types that are not valid.
func (t Type) BlockSize() int64 {
	if !t.Valid() {
		return 0
	}
	return traits[t].block
}

// BlockBytes returns the number of bytes in a block, 0 for types that are not
// valid.
func (t Type) BlockBytes() int64 {
	if !t.Valid() {
		return 0
	}
	return traits[t].bytes
}

// IsQuantized reports whether elements share scales in blocks.
func (t Type) IsQuantized() bool {
	return t.Valid() && traits[t].quantized
}

// RowBytes returns the bytes that a row of n elements takes. The error wraps
// ErrFormat when n is not a whole number of blocks.
func (t Type) RowBytes(n int64) (int64, error) {
	if !t.Valid() {
		return 0, errorf(ErrFormat, "unknown tensor type %v", t)
	}
	block, bytes := traits[t].block, traits[t].bytes
	if n < 0 || n%block != 0 {
		return 0, errorf(ErrFormat, "rows of %d elements cannot be %v, which packs blocks of %d", n, t, block)
	}
	if n/block > math.MaxInt64/bytes {
		return 0, errorf(ErrFormat, "rows of %d elements are too long", n)
	}
	return n / block * bytes, nil
}
