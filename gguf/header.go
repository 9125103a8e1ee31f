package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	magic = "GGUF"
	// keyAlignment is the one key that shapes the file itself.
	keyAlignment     = "general.alignment"
	defaultAlignment = 32
)

// A shard is one file, parsed. A model that is not split has one.
type shard struct {
	path string // empty when read from an io.ReaderAt
	r    io.ReaderAt
	size int64 // bytes

	version uint32
	order   byteOrder
	align   int64
	kv      []KeyValue
	keys    map[string]int // index into kv
	tensors []TensorInfo
	data    int64 // where the data section begins
	end     int64 // where the last tensor's padding ends, or should end
}

// parse reads the header of a file of the given size.
func parse(r io.ReaderAt, size int64) (*shard, error) {
	s := &shard{r: r, size: size, order: binary.LittleEndian, align: defaultAlignment}
	d := newDecoder(r, size)
	if err := s.readVersion(d); err != nil {
		return nil, err
	}
	// The counts precede what they count: tensors first, keys second.
	tensors, err := d.count("tensors", minTensorInfo, maxLength)
	if err != nil {
		return nil, err
	}
	keys, err := d.count("keys", minKeyValue, maxLength)
	if err != nil {
		return nil, err
	}
	if err := s.readKeys(d, keys); err != nil {
		return nil, err
	}
	if err := s.readTensors(d, tensors); err != nil {
		return nil, err
	}
	return s, s.checkLayout(d.off)
}

const (
	// minKeyValue is a length, a key of one byte, a type and a value of one.
	minKeyValue = 8 + 1 + 4 + 1
	// minTensorInfo is a length, no name, no dimensions, a type, an offset.
	minTensorInfo = 8 + 4 + 4 + 8
)

// readVersion checks the magic and finds the byte order: the version is a
// small number, so its low half is zero only when read the wrong way round.
func (s *shard) readVersion(d *decoder) error {
	var head [8]byte
	if err := d.fill(head[:min(8, d.size)]); err != nil {
		return err
	}
	if string(head[:4]) != magic {
		begin := make([]byte, min(SniffLength, s.size))
		n, err := s.r.ReadAt(begin, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return notGGUF(begin[:n])
	}
	if d.size < 8 {
		return errorf(ErrTruncated, "it has %d bytes", d.size)
	}
	if binary.LittleEndian.Uint16(head[4:]) == 0 {
		s.order = binary.BigEndian
		d.order = binary.BigEndian
	}
	s.version = s.order.Uint32(head[4:])
	switch s.version {
	case 2, 3:
		return nil
	case 1:
		return errorf(ErrFormat, "version 1 is no longer supported; convert the model again")
	}
	return errorf(ErrFormat, "unknown version %d", s.version)
}

func (s *shard) readKeys(d *decoder, n int) error {
	s.kv = make([]KeyValue, 0, min(n, 1024))
	s.keys = make(map[string]int, min(n, 1024))
	for i := range n {
		key, err := d.string()
		if err != nil {
			return fmt.Errorf("key %d of %d: %w", i+1, n, err)
		}
		if key == "" {
			return errorf(ErrFormat, "key %d of %d is empty", i+1, n)
		}
		if _, ok := s.keys[key]; ok {
			return errorf(ErrFormat, "key %s comes twice", quote(key))
		}
		k, err := d.uint32()
		if err != nil {
			return fmt.Errorf("key %s: %w", quote(key), err)
		}
		v, err := d.value(Kind(k))
		if err != nil {
			return fmt.Errorf("key %s: %w", quote(key), err)
		}
		s.keys[key] = i
		s.kv = append(s.kv, KeyValue{key, v})
	}
	align, err := alignment(s.kv)
	s.align = align
	return err
}

// alignment returns the alignment that keys ask for, in bytes.
func alignment(kv []KeyValue) (int64, error) {
	for _, e := range kv {
		if e.Key != keyAlignment {
			continue
		}
		a, ok := As[uint32](e.Value)
		if !ok {
			return 0, errorf(ErrFormat, "%s is of type %v, not u32", keyAlignment, e.Value.Kind())
		}
		if a == 0 || a&(a-1) != 0 {
			return 0, errorf(ErrFormat, "%s is %d, not a power of two", keyAlignment, a)
		}
		return int64(a), nil
	}
	return defaultAlignment, nil
}

func (s *shard) readTensors(d *decoder, n int) error {
	s.tensors = make([]TensorInfo, 0, min(n, 4096))
	names := make(map[string]bool, min(n, 4096))
	for i := range n {
		t, err := readTensorInfo(d)
		if err != nil {
			return fmt.Errorf("tensor %d of %d: %w", i+1, n, err)
		}
		if names[t.Name] {
			return errorf(ErrFormat, "tensor %s comes twice", quote(t.Name))
		}
		names[t.Name] = true
		s.tensors = append(s.tensors, t)
	}
	return nil
}

func readTensorInfo(d *decoder) (t TensorInfo, err error) {
	n, err := d.count("bytes of name", 1, MaxName)
	if err != nil {
		return t, err
	}
	name, err := d.bytes(int64(n))
	if err != nil {
		return t, err
	}
	t.Name = string(name)
	dims, err := d.uint32()
	if err != nil {
		return t, err
	}
	if dims > MaxDims {
		return t, errorf(ErrFormat, "%s has %d dimensions; the limit is %d", quote(t.Name), dims, MaxDims)
	}
	t.Dims = make([]int64, dims)
	for i := range t.Dims {
		x, err := d.uint64()
		if err != nil {
			return t, err
		}
		t.Dims[i] = int64(x)
	}
	typ, err := d.uint32()
	if err != nil {
		return t, err
	}
	t.Type = Type(typ)
	if t.Size, err = tensorSize(t.Type, t.Dims); err != nil {
		return t, fmt.Errorf("%s: %w", quote(t.Name), err)
	}
	offset, err := d.uint64()
	t.Offset = int64(offset)
	return t, err
}

// checkLayout checks that the tensors lie one after the other, each padded to
// the alignment, as ggml requires, and that the file holds them all.
// The header ends at byte off.
func (s *shard) checkLayout(off int64) error {
	data, ok := pad(off, s.align)
	if !ok || len(s.tensors) == 0 {
		// ggml does not look for a data section where there are no tensors.
		data = min(data, s.size)
	}
	s.data = data
	next := int64(0)
	for _, t := range s.tensors {
		if t.Offset != next {
			return errorf(ErrFormat, "tensor %s is at offset %d, not at %d where the one before ends", quote(t.Name), uint64(t.Offset), next)
		}
		if s.data > s.size || t.Size > s.size-s.data-next {
			return errorf(ErrTruncated, "tensor %s lies beyond its %d bytes; the download may be incomplete", quote(t.Name), s.size)
		}
		size, ok := pad(t.Size, s.align)
		if !ok || size > 1<<62 {
			return errorf(ErrFormat, "tensor %s is too large", quote(t.Name))
		}
		// The file holds t.Size bytes here, so this sum is far from 2^63.
		next += size
	}
	s.end = s.data + next
	return nil
}

// tail returns the bytes that follow the last tensor and its padding.
func (s *shard) tail() int64 { return max(0, s.size-s.end) }

// joined reports that another file's header follows the last tensor, as where
// shards were joined with cat.
func (s *shard) joined() bool {
	at := s.data
	if n := len(s.tensors); n > 0 {
		at += s.tensors[n-1].Offset + s.tensors[n-1].Size
	}
	b := make([]byte, min(max(0, s.size-at), s.align+int64(len(magic))))
	n, _ := s.r.ReadAt(b, at)
	return bytes.Contains(b[:n], []byte(magic))
}
