package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// A raw header is put together by hand, right or wrong.
type raw struct{ b []byte }

func newRaw(version uint32, tensors, keys uint64) *raw {
	return (&raw{[]byte(magic)}).u32(version).u64(tensors).u64(keys)
}

func (r *raw) u32(x uint32) *raw {
	r.b = binary.LittleEndian.AppendUint32(r.b, x)
	return r
}

func (r *raw) u64(x uint64) *raw {
	r.b = binary.LittleEndian.AppendUint64(r.b, x)
	return r
}

func (r *raw) str(s string) *raw {
	r.u64(uint64(len(s)))
	r.b = append(r.b, s...)
	return r
}

// key adds a key; its value is to follow.
func (r *raw) key(name string, k Kind) *raw { return r.str(name).u32(uint32(k)) }

func (r *raw) tensor(name string, typ Type, offset uint64, dims ...uint64) *raw {
	r.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		r.u64(d)
	}
	return r.u32(uint32(typ)).u64(offset)
}

// space adds zeros, the room that false counts need to look right.
func (r *raw) space(n int) *raw {
	r.b = append(r.b, make([]byte, n)...)
	return r
}

// malformed lists headers that must be refused, with a part of the message.
var malformed = []struct {
	name string
	b    *raw
	kind error
	text string
}{
	{"empty", &raw{}, ErrFormat, "it is empty"},
	{"short magic", &raw{[]byte("GG")}, ErrFormat, "it is a text, not GGUF"},
	{"magic only", &raw{[]byte("GGUF")}, ErrTruncated, "4 bytes"},
	{"other magic", &raw{[]byte("ggml\x03\x00\x00\x00")}, ErrFormat, `"ggml"`},
	{"version 0", newRaw(0, 0, 0), ErrFormat, "unknown version 0"},
	{"version 1", newRaw(1, 0, 0), ErrFormat, "version 1 is no longer supported"},
	{"version 4", newRaw(4, 0, 0), ErrFormat, "unknown version 4"},
	{"big-endian 1", newRaw(1<<24, 0, 0), ErrFormat, "version 1"},
	{"no counts", &raw{newRaw(3, 0, 0).b[:12]}, ErrTruncated, "byte 12"},
	{"negative tensors", newRaw(3, 1<<63, 0).space(64), ErrFormat, "tensors"},
	{"many tensors", newRaw(3, 1<<20, 0).space(64), ErrTruncated, "tensors"},
	{"negative keys", newRaw(3, 0, 1<<64-1).space(64), ErrFormat, "keys"},
	{"many keys", newRaw(3, 0, 9).space(64), ErrTruncated, "keys"},
	{"long key", newRaw(3, 0, 1).u64(1 << 20).space(64), ErrTruncated, "key 1 of 1"},
	{"longer key", newRaw(3, 0, 1).u64(1<<30 + 1).space(64), ErrFormat, "key 1 of 1"},
	{"empty key", newRaw(3, 0, 1).key("", KindUint32).space(64), ErrFormat, "is empty"},
	{"key twice", newRaw(3, 0, 2).key("a", KindUint8).space(1).key("a", KindUint8).space(64), ErrFormat, "twice"},
	{"value type", newRaw(3, 0, 1).key("a", 13).space(64), ErrFormat, "type of value 13"},
	{"array type", newRaw(3, 0, 1).key("a", KindArray).u32(99).u64(1).space(64), ErrFormat, "array element 99"},
	{"long array", newRaw(3, 0, 1).key("a", KindArray).u32(uint32(KindUint8)).u64(1 << 20).space(64), ErrTruncated, "array elements"},
	{"longer array", newRaw(3, 0, 1).key("a", KindArray).u32(uint32(KindUint8)).u64(1 << 40).space(64), ErrFormat, "array elements"},
	{"wrapping array", newRaw(3, 0, 1).key("a", KindArray).u32(uint32(KindUint64)).u64(1 << 61).space(64), ErrFormat, "array elements"},
	{"long strings", newRaw(3, 0, 1).key("a", KindArray).u32(uint32(KindString)).u64(9).space(64), ErrTruncated, "array elements"},
	{"nested array", nestedRaw(maxDepth + 1), ErrFormat, "nest deeper"},
	{"alignment type", newRaw(3, 0, 1).key(keyAlignment, KindUint64).u64(32), ErrFormat, "not u32"},
	{"alignment 0", newRaw(3, 0, 1).key(keyAlignment, KindUint32).u32(0), ErrFormat, "power of two"},
	{"alignment 24", newRaw(3, 0, 1).key(keyAlignment, KindUint32).u32(24), ErrFormat, "power of two"},
	{"long name", newRaw(3, 1, 0).tensor(strings.Repeat("n", 64), F32, 0).space(64), ErrFormat, "tensor 1 of 1"},
	{"tensor twice", newRaw(3, 2, 0).tensor("a", F32, 0).tensor("a", F32, 32).space(64), ErrFormat, "twice"},
	{"five dimensions", newRaw(3, 1, 0).tensor("a", F32, 0, 1, 1, 1, 1, 1).space(64), ErrFormat, "5 dimensions"},
	{"many dimensions", newRaw(3, 1, 0).str("a").u32(1 << 31).space(64), ErrFormat, "dimensions"},
	{"negative dimension", newRaw(3, 1, 0).tensor("a", F32, 0, 1<<63).space(64), ErrFormat, "negative"},
	{"many elements", newRaw(3, 1, 0).tensor("a", F32, 0, 1<<32, 1<<32).space(64), ErrFormat, "too many elements"},
	{"many bytes", newRaw(3, 1, 0).tensor("a", F32, 0, 1<<31, 1<<31).space(64), ErrFormat, "too many bytes"},
	{"removed type", newRaw(3, 1, 0).tensor("a", 31, 0, 32).space(64), ErrFormat, "Q4_0_4_4 (removed"},
	{"unknown type", newRaw(3, 1, 0).tensor("a", 43, 0, 32).space(64), ErrFormat, "Type(43)"},
	{"broken block", newRaw(3, 1, 0).tensor("a", Q4_0, 0, 33).space(64), ErrFormat, "blocks of 32"},
	{"first offset", newRaw(3, 1, 0).tensor("a", F32, 32).space(128), ErrFormat, "offset 32"},
	{"overlap", newRaw(3, 2, 0).tensor("a", F32, 0).tensor("b", F32, 0).space(128), ErrFormat, `"b" is at offset 0, not at 32`},
	{"gap", newRaw(3, 2, 0).tensor("a", F32, 0).tensor("b", F32, 64).space(128), ErrFormat, "offset 64"},
	{"negative offset", newRaw(3, 1, 0).tensor("a", F32, 1<<63).space(64), ErrFormat, "offset 9223372036854775808"},
	{"no data", newRaw(3, 1, 0).tensor("a", F32, 0, 64), ErrTruncated, `"a" lies beyond`},
	{"half the data", newRaw(3, 1, 0).tensor("a", F32, 0, 64).space(128), ErrTruncated, "incomplete"},
	{"wide alignment", newRaw(3, 1, 1).key(keyAlignment, KindUint32).u32(1<<31).tensor("a", F32, 0).space(64), ErrTruncated, "lies beyond"},
	{"rude name", newRaw(3, 1, 0).tensor("\x1b[2J\n", F32, 1).space(64), ErrFormat, `"\x1b[2J\n"`},
}

func nestedRaw(depth int) *raw {
	r := newRaw(3, 0, 1).key("a", KindArray)
	for range depth {
		r.u32(uint32(KindArray)).u64(1)
	}
	return r.space(64)
}

func TestMalformed(t *testing.T) {
	for _, c := range malformed {
		_, err := Read(bytes.NewReader(c.b.b), int64(len(c.b.b)))
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
			continue
		}
		if s := err.Error(); !strings.Contains(s, c.text) || strings.ContainsAny(s, "\n\x1b") {
			t.Errorf("%s: message %q, want %q in it", c.name, s, c.text)
		}
	}
}

// Every prefix of a file is refused, except those that lack only padding.
func TestTruncated(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		b, _ := spec{9, 3, order, 32, 6, true}.builder()
		b.Add(Tensor{"last", I8, []int64{32}, Bytes(make([]byte, 32))})
		whole := build(t, b)
		for n := range whole {
			_, err := Read(bytes.NewReader(whole[:n]), int64(n))
			if !errors.Is(err, ErrTruncated) && !(n < 4 && errors.Is(err, ErrFormat)) {
				t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
			}
		}
	}
}

// A reader that promises a terabyte and holds a few bytes gets no memory.
func TestFalseSize(t *testing.T) {
	for _, r := range []*raw{
		newRaw(3, 1<<30, 0),
		newRaw(3, 0, 1<<30),
		newRaw(3, 0, 1).u64(1 << 30),
		newRaw(3, 0, 1).key("a", KindString).u64(1 << 30),
		newRaw(3, 0, 1).key("a", KindArray).u32(uint32(KindUint64)).u64(1 << 30),
		newRaw(3, 0, 1).key("a", KindArray).u32(uint32(KindString)).u64(1 << 30),
		newRaw(3, 0, 1).key("a", KindArray).u32(uint32(KindArray)).u64(1 << 30),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(bytes.NewReader(r.b), 1<<40)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("%q: %v", r.b, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("%q: took %d bytes", r.b, n)
		}
	}
}

// failing is a disk that cannot be read.
type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrNoProgress }

func TestReadError(t *testing.T) {
	if _, err := Read(failing{}, 100); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("the cause is lost: %v", err)
	}
}
