package gguf

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func diff(t *testing.T, old, cur *File) *Difference {
	t.Helper()
	d, err := Diff(t.Context(), old, cur, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDiffEqual(t *testing.T) {
	for _, s := range specs() {
		b, _ := s.builder()
		raw := build(t, b)
		if d := diff(t, open(t, raw), open(t, bytes.Clone(raw))); !d.Equal() {
			t.Errorf("%v: a file differs from itself: %+v", s, d)
		}
	}
}

// Diff finds each edit, and the reverse from the other side.
func TestDiffEdits(t *testing.T) {
	b, data := spec{21, 3, binary.LittleEndian, 32, 8, false}.builder()
	old := open(t, build(t, b))
	flipped := bytes.Clone(data["blk.4.t"])
	flipped[0] ^= 0x80
	flipped[len(flipped)-1] ^= 1
	o, err := Rewrite(old, Edits{
		Set:    []KeyValue{{"new", ValueOf("v")}, {"u8.0", ValueOf(uint8(9))}},
		Delete: []string{"f32.nan"},
		Replace: []Tensor{
			{"blk.2.t", F32, []int64{9}, Bytes(make([]byte, 36))},
			{"blk.4.t", old.Tensors[4].Type, nil, Bytes(flipped)},
			{"blk.5.t", old.Tensors[5].Type, nil, Bytes(data["blk.5.t"])}, // as it was
		},
		Drop: []string{"blk.0.t"},
		Add:  []Tensor{{"added", F32, nil, Bytes(make([]byte, 4))}},
	})
	cur := open(t, written(t, o, err))
	d, r := diff(t, old, cur), diff(t, cur, old)
	if d.Equal() || d.Reordered || d.Format {
		t.Errorf("%+v", d)
	}
	if len(d.KeysAdded) != 1 || d.KeysAdded[0].Key != "new" || len(r.KeysRemoved) != 1 {
		t.Errorf("keys added: %v, reverse %v", d.KeysAdded, r.KeysRemoved)
	}
	if len(d.KeysRemoved) != 1 || d.KeysRemoved[0].Key != "f32.nan" || len(r.KeysAdded) != 1 {
		t.Errorf("keys removed: %v, reverse %v", d.KeysRemoved, r.KeysAdded)
	}
	if c := d.KeysChanged; len(c) != 1 || c[0].Key != "u8.0" || c[0].Old.String() != "0" || c[0].New.String() != "9" {
		t.Errorf("keys changed: %v", c)
	}
	if len(d.TensorsAdded) != 1 || d.TensorsAdded[0].Name != "added" || len(r.TensorsRemoved) != 1 {
		t.Errorf("tensors added: %v, reverse %v", d.TensorsAdded, r.TensorsRemoved)
	}
	if len(d.TensorsRemoved) != 1 || d.TensorsRemoved[0].Name != "blk.0.t" || len(r.TensorsAdded) != 1 {
		t.Errorf("tensors removed: %v, reverse %v", d.TensorsRemoved, r.TensorsAdded)
	}
	c := d.TensorsChanged
	if len(c) != 2 || c[0].Old.Name != "blk.2.t" || c[0].Bytes != -1 || c[1].Old.Name != "blk.4.t" || c[1].Bytes != 2 {
		t.Errorf("tensors changed: %+v", c)
	}
}

func TestDiffOrderAndFormat(t *testing.T) {
	a, b := NewBuilder(), NewBuilder()
	a.Set("x", ValueOf("1"))
	a.Set("y", ValueOf("2"))
	b.Set("y", ValueOf("2"))
	b.Set("x", ValueOf("1"))
	if d := diff(t, open(t, build(t, a)), open(t, build(t, b))); !d.Reordered || d.Format || d.Equal() {
		t.Errorf("order of keys: %+v", d)
	}
	b = NewBuilder()
	b.kv, b.Version = a.kv, 2
	if d := diff(t, open(t, build(t, a)), open(t, build(t, b))); d.Reordered || !d.Format || d.Equal() {
		t.Errorf("version: %+v", d)
	}
}
