package gguf

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// Whatever the bytes are, Read returns an error of a known kind in one line or
// a file that can be copied and put together again.
func FuzzRead(f *testing.F) {
	for _, c := range malformed {
		f.Add(c.b.b)
	}
	for _, s := range specs() {
		if s.align < 64 && s.tensors < 14 {
			b, _ := s.builder()
			f.Add(build(f, b))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTruncated) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		o, err := Rewrite(file, Edits{})
		if got := written(t, o, err); !bytes.Equal(got, b) {
			t.Error("a copy differs from its original")
		}
		for _, kv := range file.KV {
			_ = kv.Value.String()
			kv.Value.Ints()
			kv.Value.Floats()
		}
		o, err = Rewrite(file, Edits{Set: []KeyValue{{"fuzz", ValueOf(true)}}})
		if err != nil {
			t.Fatal(err)
		}
		if o.Size() > 1<<22 {
			return // an alignment of megabytes
		}
		d, err := Diff(t.Context(), file, open(t, written(t, o, nil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.KeysAdded, d.KeysChanged = nil, nil
		if !d.Equal() {
			t.Errorf("an edit of one key changed more: %+v", d)
		}
	})
}
