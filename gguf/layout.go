package gguf

import (
	"fmt"
	"math"
)

// A layout is what a file is assembled from.
type layout struct {
	version uint32
	order   byteOrder
	kv      []KeyValue
	tensors []source
	tail    part // bytes that follow the last tensor
}

// A source is a tensor with where its data comes from: from, or Tensor.Data.
type source struct {
	Tensor
	from *shard
	off  int64 // in from
}

// output assigns offsets and returns the finished plan.
func (l layout) output() (*Output, error) {
	align, err := alignment(l.kv)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEdit, err)
	}
	infos := make([]TensorInfo, len(l.tensors))
	parts := make([]part, 2, 3+2*len(l.tensors)) // the header and its padding come first
	next := int64(0)
	for i, t := range l.tensors {
		size, err := tensorSize(t.Type, t.Dims)
		if err != nil {
			return nil, fmt.Errorf("%w: tensor %s: %w", ErrEdit, quote(t.Name), err)
		}
		infos[i] = TensorInfo{Name: t.Name, Dims: t.Dims, Type: t.Type, Offset: next, Size: size}
		padded, ok := pad(size, align)
		if !ok || padded > math.MaxInt64/2-next {
			return nil, errorf(ErrEdit, "tensor %s makes the file too large", quote(t.Name))
		}
		next += padded
		parts = append(parts, t.parts(size, padded, align)...)
	}
	header := appendHeader(nil, l.version, l.order, l.kv, infos)
	start, _ := pad(int64(len(header)), align)
	parts[0] = part{size: int64(len(header)), data: Bytes(header)}
	parts[1] = part{size: start - int64(len(header))}
	o := &Output{parts: append(parts, l.tail)}
	for _, p := range o.parts {
		o.size += p.size
	}
	return o, nil
}

// parts returns a tensor's data and padding. Padding of a copied tensor is
// copied too while the alignment stays, as far as the source has it.
func (t source) parts(size, padded, align int64) []part {
	if t.from == nil {
		return []part{{size: size, name: t.Name, data: t.Data}, {size: padded - size}}
	}
	if t.from.align == align {
		size = min(padded, t.from.size-t.off)
	}
	return []part{{size: size, name: t.Name, src: t.from.r, off: t.off}, {size: padded - size}}
}
