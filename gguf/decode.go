package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

const (
	// maxLength is ggml's limit on the bytes of a string and on the elements
	// of an array.
	maxLength = 1 << 30
	// maxDepth limits how deep arrays nest. ggml takes a depth of 1 only.
	maxDepth = 8
	// chunk is how far memory may run ahead of the bytes read so far, so that
	// a false length costs little.
	chunk = 1 << 20
)

// byteOrder is what binary.LittleEndian and binary.BigEndian both are.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// A decoder reads the header of a file from its start. It knows how many bytes
// are left and takes nothing for granted.
type decoder struct {
	r     *bufio.Reader
	order byteOrder
	off   int64 // bytes read so far
	size  int64 // of the file
	buf   [8]byte
}

func newDecoder(r io.ReaderAt, size int64) *decoder {
	return &decoder{
		r:     bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<16),
		order: binary.LittleEndian,
		size:  size,
	}
}

func (d *decoder) left() int64 { return d.size - d.off }

// fill reads len(b) bytes.
func (d *decoder) fill(b []byte) error {
	n, err := io.ReadFull(d.r, b)
	d.off += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errorf(ErrTruncated, "it ends inside its header, at byte %d", d.off)
	}
	return err
}

func (d *decoder) uint32() (uint32, error) {
	err := d.fill(d.buf[:4])
	return d.order.Uint32(d.buf[:4]), err
}

func (d *decoder) uint64() (uint64, error) {
	err := d.fill(d.buf[:8])
	return d.order.Uint64(d.buf[:8]), err
}

// count reads the number of things that follow, each of at least size bytes.
func (d *decoder) count(what string, size, limit int64) (int, error) {
	n, err := d.uint64()
	if err != nil {
		return 0, err
	}
	if n > uint64(limit) {
		return 0, errorf(ErrFormat, "%d %s at byte %d; the limit is %d", n, what, d.off-8, limit)
	}
	if int64(n) > d.left()/size {
		return 0, errorf(ErrTruncated, "%d %s at byte %d do not fit in the %d bytes that follow", n, what, d.off-8, d.left())
	}
	return int(n), nil
}

// bytes reads n bytes. Memory grows with what was read, not with what n claims.
func (d *decoder) bytes(n int64) ([]byte, error) {
	b := make([]byte, 0, min(n, chunk))
	for int64(len(b)) < n {
		have := len(b)
		more := int(min(n-int64(have), max(int64(have), chunk)))
		b = slices.Grow(b, more)[:have+more]
		if err := d.fill(b[have:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (d *decoder) string() (string, error) {
	n, err := d.count("bytes of text", 1, maxLength)
	if err != nil {
		return "", err
	}
	if n <= d.r.Size() {
		b, err := d.r.Peek(n)
		if err == nil {
			s := string(b)
			d.r.Discard(n)
			d.off += int64(n)
			return s, nil
		}
	}
	b, err := d.bytes(int64(n))
	return string(b), err
}

func (d *decoder) value(k Kind) (Value, error) {
	switch k {
	case KindString:
		s, err := d.string()
		return Value{kind: k, data: s}, err
	case KindArray:
		return d.array(1)
	}
	if !k.valid() {
		return Value{}, errorf(ErrFormat, "unknown type of value %d at byte %d", uint32(k), d.off-4)
	}
	raw, err := d.scalars(k, 1)
	return Value{kind: k, data: raw}, err
}

// array reads an array that is nested depth deep, 1 for one that is not.
func (d *decoder) array(depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, errorf(ErrFormat, "arrays nest deeper than %d at byte %d", maxDepth, d.off)
	}
	e, err := d.uint32()
	if err != nil {
		return Value{}, err
	}
	v := Value{kind: KindArray, elem: Kind(e)}
	if !v.elem.valid() {
		return Value{}, errorf(ErrFormat, "unknown type of array element %d at byte %d", e, d.off-4)
	}
	n, err := d.count("array elements", v.elem.minSize(), maxLength)
	if err != nil {
		return Value{}, err
	}
	switch v.elem {
	case KindString:
		v.data, err = elements(n, d.string)
	case KindArray:
		v.data, err = elements(n, func() (Value, error) { return d.array(depth + 1) })
	default:
		v.data, err = d.scalars(v.elem, n)
	}
	return v, err
}

// minSize returns the fewest bytes that a value of the kind takes in a file.
func (k Kind) minSize() int64 {
	switch k {
	case KindString:
		return 8 // length
	case KindArray:
		return 4 + 8 // element type, length
	}
	return k.size()
}

func elements[T any](n int, read func() (T, error)) ([]T, error) {
	xs := make([]T, 0, min(n, chunk/16))
	for range n {
		x, err := read()
		if err != nil {
			return nil, err
		}
		xs = append(xs, x)
	}
	return xs, nil
}

// scalars reads n fixed-size values and puts them in little-endian order.
func (d *decoder) scalars(k Kind, n int) ([]byte, error) {
	b, err := d.bytes(int64(n) * k.size())
	if err == nil && d.order == byteOrder(binary.BigEndian) {
		swap(b, int(k.size()))
	}
	return b, err
}

// swap reverses the bytes of each value in b.
func swap(b []byte, size int) {
	if size == 1 {
		return
	}
	for i := 0; i < len(b); i += size {
		slices.Reverse(b[i : i+size])
	}
}
