package gguf

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
)

// KeyChange is a key that two files give different values.
type KeyChange struct {
	Key      string
	Old, New Value
}

// TensorChange is a tensor that differs between two files.
type TensorChange struct {
	Old, New TensorInfo
	// Bytes is the number of bytes that differ, or -1 where type or shape do,
	// since the bytes then mean different things.
	Bytes int64
}

// Difference is what Diff finds. Lists are in file order, the old file's where
// it has the entry.
type Difference struct {
	KeysAdded   []KeyValue
	KeysRemoved []KeyValue
	KeysChanged []KeyChange

	TensorsAdded   []TensorInfo
	TensorsRemoved []TensorInfo
	TensorsChanged []TensorChange

	// Reordered is true when keys or tensors that both files have come in
	// another order.
	Reordered bool
	// Format is true when version, byte order or alignment differ.
	Format bool
}

// Equal reports whether nothing differs: keys, tensors, order and format.
// Padding, and how a model is split, are not compared.
func (d *Difference) Equal() bool {
	return !d.Reordered && !d.Format &&
		len(d.KeysAdded)+len(d.KeysRemoved)+len(d.KeysChanged) == 0 &&
		len(d.TensorsAdded)+len(d.TensorsRemoved)+len(d.TensorsChanged) == 0
}

// Diff compares two models, old and current, tensor data included, which is read
// in pieces. progress, if not nil, is told the bytes of the old file's tensors
// done. It stops soon after ctx is done.
func Diff(ctx context.Context, old, cur *File, progress func(done, total int64)) (*Difference, error) {
	d := &Difference{
		Format: old.Version != cur.Version || old.ByteOrder != cur.ByteOrder || old.Alignment != cur.Alignment,
	}
	d.diffKeys(old, cur)
	m := newMeter(ctx, old.dataSize(), progress)
	var bufs [2][]byte
	for i := range bufs {
		bufs[i] = make([]byte, chunk)
	}
	last := -1
	for _, t := range old.Tensors {
		j, ok := cur.index[t.Name]
		if !ok {
			d.TensorsRemoved = append(d.TensorsRemoved, t)
			m.done += t.Size
			continue
		}
		d.Reordered = d.Reordered || j < last
		last = j
		n, err := m.compare(old, t, cur, cur.Tensors[j], bufs)
		if err != nil {
			return nil, err
		}
		if n != 0 {
			d.TensorsChanged = append(d.TensorsChanged, TensorChange{t, cur.Tensors[j], n})
		}
	}
	for _, t := range cur.Tensors {
		if _, ok := old.index[t.Name]; !ok {
			d.TensorsAdded = append(d.TensorsAdded, t)
		}
	}
	return d, ctx.Err()
}

func (d *Difference) diffKeys(old, cur *File) {
	last := -1
	for _, kv := range old.KV {
		j, ok := cur.shards[0].keys[kv.Key]
		if !ok {
			d.KeysRemoved = append(d.KeysRemoved, kv)
			continue
		}
		d.Reordered = d.Reordered || j < last
		last = j
		if v := cur.KV[j].Value; !v.Equal(kv.Value) {
			d.KeysChanged = append(d.KeysChanged, KeyChange{kv.Key, kv.Value, v})
		}
	}
	for _, kv := range cur.KV {
		if !old.Has(kv.Key) {
			d.KeysAdded = append(d.KeysAdded, kv)
		}
	}
}

// compare returns TensorChange.Bytes for tensor t of old and u of cur.
func (m *meter) compare(old *File, t TensorInfo, cur *File, u TensorInfo, bufs [2][]byte) (int64, error) {
	if t.Type != u.Type || !slices.Equal(t.Dims, u.Dims) {
		m.done += t.Size
		return -1, m.ctx.Err()
	}
	differ := int64(0)
	r := cur.section(u)
	var readErr error
	err := m.each(old, t, bufs[0], func(a []byte) {
		if readErr != nil {
			return
		}
		b := bufs[1][:len(a)]
		if _, readErr = io.ReadFull(r, b); readErr == nil {
			differ += differing(a, b)
		}
	})
	if err == nil && readErr != nil {
		err = fmt.Errorf("tensor %s: %w", quote(t.Name), readError(readErr))
	}
	return differ, err
}

// differing counts the positions where two slices of one length differ.
func differing(a, b []byte) int64 {
	if bytes.Equal(a, b) {
		return 0
	}
	n := int64(0)
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
