package gguf

import (
	"encoding/binary"
	"io"
)

// Builder makes a GGUF file from nothing. It is meant for files whose header
// fits in memory; tensor data is asked for when the file is written.
type Builder struct {
	// Version of the format, 3 unless changed.
	Version uint32
	// ByteOrder of the file: binary.LittleEndian, unless changed to
	// binary.BigEndian. Tensor data is written as given.
	ByteOrder binary.ByteOrder

	kv      []KeyValue
	tensors []Tensor
}

// NewBuilder returns a Builder of a little-endian file of version 3.
func NewBuilder() *Builder {
	return &Builder{Version: 3, ByteOrder: binary.LittleEndian}
}

// Set sets a key: in its place when it was set before, else as the last one.
func (b *Builder) Set(key string, v Value) {
	for i := range b.kv {
		if b.kv[i].Key == key {
			b.kv[i].Value = v
			return
		}
	}
	b.kv = append(b.kv, KeyValue{key, v})
}

// Add adds a tensor after those there are.
func (b *Builder) Add(t Tensor) { b.tensors = append(b.tensors, t) }

// Output checks what was set and added and returns the file to be written.
func (b *Builder) Output() (*Output, error) {
	var order byteOrder = binary.LittleEndian
	if b.ByteOrder == binary.ByteOrder(binary.BigEndian) {
		order = binary.BigEndian
	}
	if b.Version != 2 && b.Version != 3 {
		return nil, errorf(ErrEdit, "version %d cannot be written", b.Version)
	}
	if err := checkKeys(b.kv); err != nil {
		return nil, err
	}
	l := layout{version: b.Version, order: order, kv: b.kv}
	names := make(map[string]bool)
	for _, t := range b.tensors {
		if names[t.Name] {
			return nil, errorf(ErrEdit, "tensor %s comes twice", quote(t.Name))
		}
		names[t.Name] = true
		if err := t.check(); err != nil {
			return nil, err
		}
		l.tensors = append(l.tensors, source{Tensor: t})
	}
	return l.output()
}

// WriteTo writes the file to w and returns the bytes written.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	o, err := b.Output()
	if err != nil {
		return 0, err
	}
	return o.WriteTo(w)
}
