package mutate

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// role is what a field of a header is for.
type role int

const (
	number role = iota // a version, a count, a length, a dimension, an offset, a value of a key
	kind               // of a value, an array's elements, a tensor
	text
)

// field is a place in a header.
type field struct {
	at, size int
	role     role
}

// layout is what a header has, in order.
type layout struct {
	order  binary.ByteOrder
	fields []field
	keys   []field // each key with its value
	tens   []field // each tensor's description
	end    int     // of the header
}

// GGUF damages the header of a GGUF file in one to three places.
func GGUF(rng *rand.Rand, file []byte) []byte {
	b := bytes.Clone(file)
	for range 1 + rng.IntN(3)*rng.IntN(2) {
		l := scan(b)
		if len(l.fields) == 0 {
			return flip(rng, b, len(b))
		}
		b = damages[rng.IntN(len(damages))](rng, b, l)
	}
	return b
}

// damages are what can happen to a header, the likelier ones more than once.
var damages = []func(*rand.Rand, []byte, layout) []byte{
	setNumber, setNumber, setNumber, setNumber, setValue, setValue, setValue, setValue,
	setKind, setKind, setText, setText, resize, resize,
	func(rng *rand.Rand, b []byte, l layout) []byte { return flip(rng, b, l.end) },
	func(rng *rand.Rand, b []byte, l layout) []byte { return flip(rng, b, l.end) },
	func(rng *rand.Rand, b []byte, l layout) []byte { return b[:rng.IntN(l.end+1)] },
	func(rng *rand.Rand, b []byte, l layout) []byte { return b[:l.end+rng.IntN(len(b)-l.end+1)] },
	func(rng *rand.Rand, b []byte, l layout) []byte {
		at := rng.IntN(l.end + 1)
		return splice(b, at, at, junk(rng, 1+rng.IntN(16)))
	},
	drop, drop, repeat, exchange,
}

// setNumber puts one that programs trip over in the place of one.
func setNumber(rng *rand.Rand, b []byte, l layout) []byte {
	f, ok := pick(rng, l.fields, number)
	if ok {
		putNumber(rng, b, l.order, f)
	}
	return b
}

// setValue does the same to the value of a key, whose type and count stay.
func setValue(rng *rand.Rand, b []byte, l layout) []byte {
	if len(l.keys) == 0 {
		return b
	}
	k := l.keys[rng.IntN(len(l.keys))]
	var in []field
	for _, f := range l.fields {
		if f.at >= k.at && f.at+f.size <= k.at+k.size && f.role == number {
			in = append(in, f)
		}
	}
	if len(in) > 1 { // the first is the length of the key's name
		in = in[1:]
		putNumber(rng, b, l.order, in[rng.IntN(len(in))])
	}
	return b
}

func putNumber(rng *rand.Rand, b []byte, order binary.ByteOrder, f field) {
	at := b[f.at : f.at+f.size]
	old := get(at, order)
	odd := []uint64{
		0, 1, 2, 3, 4, 7, 16, 31, 33, 63, 64, 65, 127, 255, 256, 511, 512, 513, 1000, 4096, 65535, 1 << 16, 1 << 20, 1 << 24, 1<<30 - 1, 1 << 30, 1<<31 - 1, 1 << 31,
		1<<32 - 1, 1 << 32, 1 << 40, 1 << 61, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 1, 1<<64 - 2, 0x3f800000, 0x7f800000, 0x7fc00000, 0xff800000, 0xbf800000, 1,
		old + 1, old - 1, old * 2, old / 2, old << 32, -old, uint64(len(b)), uint64(len(b)) - 1, rng.Uint64(), rng.Uint64() >> rng.IntN(64),
	}
	put(at, order, odd[rng.IntN(len(odd))])
}

func setKind(rng *rand.Rand, b []byte, l layout) []byte {
	if f, ok := pick(rng, l.fields, kind); ok {
		put(b[f.at:f.at+f.size], l.order, uint64(rng.IntN(45)))
	}
	return b
}

// setText changes letters, and keeps the length.
func setText(rng *rand.Rand, b []byte, l layout) []byte {
	f, ok := pick(rng, l.fields, text)
	if !ok || f.size == 0 {
		return b
	}
	at := b[f.at : f.at+f.size]
	if g, ok := pick(rng, l.fields, text); ok && g.size >= f.size && rng.IntN(2) == 0 {
		copy(at, bytes.Clone(b[g.at:g.at+f.size]))
		return b
	}
	for range 1 + rng.IntN(3) {
		at[rng.IntN(len(at))] = []byte{0, 0xff, '%', '\n', '{', 'x', '0', byte(rng.Uint32())}[rng.IntN(8)]
	}
	return b
}

// resize gives a text another one, of the length that its field says.
func resize(rng *rand.Rand, b []byte, l layout) []byte {
	f, ok := pick(rng, l.fields, text)
	if !ok {
		return b
	}
	texts := [][]byte{nil, {0}, []byte("x"), []byte("\xff\xfe"), bytes.Repeat([]byte("n"), 63), bytes.Repeat([]byte("n"), 64), bytes.Repeat([]byte("y"), 5000),
		[]byte("llama"), []byte("general.architecture"), []byte("gpt2"), []byte("token_embd.weight"), []byte("blk.1000000.ffn_down.weight"), []byte("{{ x"), junk(rng, 20)}
	to := texts[rng.IntN(len(texts))]
	put(b[f.at-8:f.at], l.order, uint64(len(to)))
	return splice(b, f.at, f.at+f.size, to)
}

// drop takes a key or a tensor out, mostly with its place in the count.
func drop(rng *rand.Rand, b []byte, l layout) []byte {
	f, count, ok := l.entry(rng)
	if !ok {
		return b
	}
	if rng.IntN(4) > 0 {
		put(b[count:count+8], l.order, get(b[count:count+8], l.order)-1)
	}
	return splice(b, f.at, f.at+f.size, nil)
}

// repeat has a key or a tensor twice.
func repeat(rng *rand.Rand, b []byte, l layout) []byte {
	f, count, ok := l.entry(rng)
	if !ok {
		return b
	}
	put(b[count:count+8], l.order, get(b[count:count+8], l.order)+1)
	again := bytes.Clone(b[f.at : f.at+f.size])
	if rng.IntN(2) == 0 && f.size > 9 {
		again[8] ^= 1 // another name
	}
	return splice(b, f.at, f.at, again)
}

// exchange gives the place of one key or tensor to another.
func exchange(rng *rand.Rand, b []byte, l layout) []byte {
	list := l.keys
	if rng.IntN(2) == 0 {
		list = l.tens
	}
	if len(list) < 2 {
		return b
	}
	i := rng.IntN(len(list) - 1)
	j := i + 1 + rng.IntN(len(list)-i-1)
	x, y := list[i], list[j]
	out := bytes.Clone(b[:x.at])
	out = append(out, b[y.at:y.at+y.size]...)
	out = append(out, b[x.at+x.size:y.at]...)
	out = append(out, b[x.at:x.at+x.size]...)
	return append(out, b[y.at+y.size:]...)
}

// entry is a key or a tensor, and where their number is.
func (l layout) entry(rng *rand.Rand) (f field, count int, ok bool) {
	list, count := l.keys, 16
	if rng.IntN(2) == 0 {
		list, count = l.tens, 8
	}
	if len(list) == 0 {
		return f, count, false
	}
	return list[rng.IntN(len(list))], count, true
}

func pick(rng *rand.Rand, all []field, r role) (field, bool) {
	var some []field
	for _, f := range all {
		if f.role == r {
			some = append(some, f)
		}
	}
	if len(some) == 0 {
		return field{}, false
	}
	return some[rng.IntN(len(some))], true
}

func flip(rng *rand.Rand, b []byte, end int) []byte {
	if end > 0 {
		b[rng.IntN(end)] ^= 1 << rng.IntN(8)
	}
	return b
}

func splice(b []byte, from, to int, with []byte) []byte {
	out := append(bytes.Clone(b[:from]), with...)
	return append(out, b[to:]...)
}

func junk(rng *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

// get and put take numbers of 1, 2, 4 or 8 bytes.
func get(b []byte, order binary.ByteOrder) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(order.Uint16(b))
	case 4:
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

func put(b []byte, order binary.ByteOrder, v uint64) {
	switch len(b) {
	case 1:
		b[0] = byte(v)
	case 2:
		order.PutUint16(b, uint16(v))
	case 4:
		order.PutUint32(b, uint32(v))
	default:
		order.PutUint64(b, v)
	}
}
