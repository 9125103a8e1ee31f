package gguf

import "encoding/binary"

// appendHeader appends all that precedes the data section of a file, but for
// the padding. Offsets of the tensors are taken as they are.
func appendHeader(b []byte, version uint32, order byteOrder, kv []KeyValue, tensors []TensorInfo) []byte {
	b = append(b, magic...)
	b = order.AppendUint32(b, version)
	b = order.AppendUint64(b, uint64(len(tensors)))
	b = order.AppendUint64(b, uint64(len(kv)))
	for _, e := range kv {
		b = appendString(b, order, e.Key)
		b = order.AppendUint32(b, uint32(e.Value.kind))
		b = appendValue(b, order, e.Value)
	}
	for _, t := range tensors {
		b = appendString(b, order, t.Name)
		b = order.AppendUint32(b, uint32(len(t.Dims)))
		for _, d := range t.Dims {
			b = order.AppendUint64(b, uint64(d))
		}
		b = order.AppendUint32(b, uint32(t.Type))
		b = order.AppendUint64(b, uint64(t.Offset))
	}
	return b
}

func appendString(b []byte, order byteOrder, s string) []byte {
	b = order.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// appendValue appends a value without its own type, but with its elements'.
func appendValue(b []byte, order byteOrder, v Value) []byte {
	if v.kind == KindArray {
		b = order.AppendUint32(b, uint32(v.elem))
		b = order.AppendUint64(b, uint64(v.Len()))
	}
	switch d := v.data.(type) {
	case string:
		b = appendString(b, order, d)
	case []string:
		for _, s := range d {
			b = appendString(b, order, s)
		}
	case []Value:
		for _, e := range d {
			b = appendValue(b, order, e)
		}
	case []byte:
		n := len(b)
		b = append(b, d...)
		if order == byteOrder(binary.BigEndian) {
			swap(b[n:], int(v.Elem().size()))
		}
	}
	return b
}

// check reports why a value cannot be written. depth is 1 for a key's value.
func (v Value) check(depth int) error {
	switch {
	case v.data == nil:
		return errorf(ErrEdit, "it has no value")
	case depth > maxDepth:
		return errorf(ErrEdit, "arrays nest deeper than %d", maxDepth)
	case v.Len() > maxLength:
		return errorf(ErrEdit, "%d elements; the limit is %d", v.Len(), maxLength)
	}
	switch d := v.data.(type) {
	case string:
		if len(d) > maxLength {
			return errorf(ErrEdit, "%d bytes of text; the limit is %d", len(d), maxLength)
		}
	case []Value:
		for _, e := range d {
			if e.kind != KindArray {
				return errorf(ErrEdit, "an array of arrays holds a %v", e.kind)
			}
			if err := e.check(depth + 1); err != nil {
				return err
			}
		}
	}
	return nil
}
