package gguf

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestTensorAccess(t *testing.T) {
	b, data := spec{41, 3, binary.LittleEndian, 32, 5, false}.builder()
	f := open(t, build(t, b))
	info, ok := f.Tensor("blk.2.t")
	if !ok || info.Name != "blk.2.t" || info.Size != int64(len(data["blk.2.t"])) {
		t.Errorf("%+v, %v", info, ok)
	}
	r, err := f.TensorReader("blk.2.t")
	if err != nil || r.Size() != info.Size {
		t.Errorf("reader of %d bytes, %v", r.Size(), err)
	}
	big := make([]byte, 3, 1<<20)
	if got, err := f.ReadTensor("blk.2.t", big); err != nil || &got[0] != &big[0] || int64(len(got)) != info.Size {
		t.Errorf("the buffer was not used: %d bytes, %v", len(got), err)
	}
	if _, ok := f.Tensor("absent"); ok {
		t.Error("an absent tensor was found")
	}
	if _, err := f.ReadTensor("absent", nil); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// A file that shrinks while it is open ends in an error wherever it is read.
func TestShrinkingFile(t *testing.T) {
	b := NewBuilder()
	b.Add(Tensor{"a", I8, []int64{1000}, Bytes(make([]byte, 1000))})
	path := filepath.Join(t.TempDir(), "m.gguf")
	writeFile(t, path, build(t, b))
	f := openPath(t, path)
	if err := os.Truncate(path, 500); err != nil {
		t.Fatal(err)
	}
	_, readErr := f.ReadTensor("a", nil)
	_, hashErr := HashTensors(t.Context(), f, nil)
	_, diffErr := Diff(t.Context(), f, f, nil)
	copied, err1 := Rewrite(f, Edits{})
	edited, err2 := Rewrite(f, Edits{Set: []KeyValue{{"k", ValueOf("v")}}})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"read": readErr, "hash": hashErr, "diff": diffErr,
		"copy": copied.Write(t.Context(), io.Discard),
		"edit": edited.Write(t.Context(), io.Discard),
	} {
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBadBuilder(t *testing.T) {
	one := Tensor{"a", I8, []int64{1}, Bytes([]byte{1})}
	for name, b := range map[string]*Builder{
		"version": {Version: 1},
		"no key":  {Version: 3, kv: []KeyValue{{"", ValueOf("")}}},
		"twice":   {Version: 3, tensors: []Tensor{one, one}},
		"no data": {Version: 3, tensors: []Tensor{{Name: "a"}}},
	} {
		if n, err := b.WriteTo(io.Discard); n != 0 || !errors.Is(err, ErrEdit) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}
