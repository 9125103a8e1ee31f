package gguf

import (
	"bytes"
	"testing"
)

// What was put in a file comes out of it, and the file comes out of itself:
// copied, and taken apart and put together.
func TestRoundTrip(t *testing.T) {
	for _, s := range specs() {
		t.Run(s.String(), func(t *testing.T) {
			b, data := s.builder()
			raw := build(t, b)
			f := open(t, raw)
			if f.Version != s.version || f.ByteOrder != s.order {
				t.Errorf("read as version %d, %v", f.Version, f.ByteOrder)
			}
			if want := int64(max(s.align, 1)); s.align != 0 && f.Alignment != want {
				t.Errorf("alignment %d, want %d", f.Alignment, want)
			}
			checkKV(t, f, b.kv)
			checkTensors(t, f, b.tensors, data)
			o, err := Rewrite(f, Edits{})
			if got := written(t, o, err); !bytes.Equal(got, raw) || !o.same {
				t.Error("a copy differs from its original")
			}
			// Setting a key to what it is takes the file through the encoder.
			o, err = Rewrite(f, Edits{Set: f.KV[:1]})
			if got := written(t, o, err); !bytes.Equal(got, raw) || o.same {
				t.Error("a file put together again differs from its original")
			}
		})
	}
}

func checkKV(t *testing.T, f *File, want []KeyValue) {
	t.Helper()
	if len(f.KV) != len(want) {
		t.Fatalf("%d keys, want %d", len(f.KV), len(want))
	}
	for i, kv := range want {
		if f.KV[i].Key != kv.Key || !f.KV[i].Value.Equal(kv.Value) {
			t.Errorf("key %d is %s = %v, want %s = %v", i, f.KV[i].Key, f.KV[i].Value, kv.Key, kv.Value)
		}
		if v, ok := f.Value(kv.Key); !ok || !v.Equal(kv.Value) {
			t.Errorf("Value(%q) = %v, %v", kv.Key, v, ok)
		}
	}
}

func checkTensors(t *testing.T, f *File, want []Tensor, data map[string][]byte) {
	t.Helper()
	if len(f.Tensors) != len(want) {
		t.Fatalf("%d tensors, want %d", len(f.Tensors), len(want))
	}
	var buf []byte
	for i, w := range want {
		got := f.Tensors[i]
		if got.Name != w.Name || got.Type != w.Type || got.Shape() != (TensorInfo{Dims: w.Dims}).Shape() {
			t.Errorf("tensor %d is %v, want %v", i, got, w)
		}
		if (f.DataOffset(got.Shard)+got.Offset)%f.Alignment != 0 {
			t.Errorf("%s is not aligned", got.Name)
		}
		var err error
		if buf, err = f.ReadTensor(w.Name, buf); err != nil || !bytes.Equal(buf, data[w.Name]) {
			t.Errorf("%s: data differs: %v", w.Name, err)
		}
	}
}

// Bytes that belong to nothing are kept: padding that is not zero, bytes after
// the last tensor, and a last tensor without padding.
func TestOddBytesAreKept(t *testing.T) {
	b := NewBuilder()
	b.Set("k", ValueOf("v"))
	b.Add(Tensor{"a", I8, []int64{3}, Bytes([]byte("abc"))})
	b.Add(Tensor{"b", I8, []int64{3}, Bytes([]byte("def"))})
	raw := build(t, b)
	unpadded := raw[:len(raw)-29]
	dirty := bytes.Clone(raw)
	dirty[open(t, raw).DataOffset(0)+5] = 'x'
	for name, raw := range map[string][]byte{
		"unpadded": unpadded,
		"half":     raw[:len(raw)-5],
		"dirty":    dirty,
		"tail":     append(bytes.Clone(dirty), "tail"...),
	} {
		f := open(t, raw)
		o, err := Rewrite(f, Edits{})
		if got := written(t, o, err); !bytes.Equal(got, raw) {
			t.Errorf("%s: a copy differs", name)
		}
		o, err = Rewrite(f, Edits{Set: f.KV})
		want := append(bytes.Clone(raw), make([]byte, max(0, int(f.shards[0].end)-len(raw)))...)
		if got := written(t, o, err); !bytes.Equal(got, want) {
			t.Errorf("%s: the edited file differs in more than its last padding", name)
		}
	}
}

// A file without tensors may end where its keys do.
func TestNoTensors(t *testing.T) {
	b := NewBuilder()
	b.Set("general.type", ValueOf("vocab"))
	raw := build(t, b)
	for n := len(raw) - 31; n <= len(raw); n++ {
		if len(bytes.TrimRight(raw, "\x00")) > n {
			continue
		}
		f := open(t, raw[:n])
		o, err := Rewrite(f, Edits{})
		if got := written(t, o, err); !bytes.Equal(got, raw[:n]) {
			t.Errorf("%d bytes: a copy differs", n)
		}
		o, err = Rewrite(f, Edits{Set: f.KV})
		if got := written(t, o, err); !bytes.Equal(got, raw) {
			t.Errorf("%d bytes: the edited file is not the padded one", n)
		}
	}
}
