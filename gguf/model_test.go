package gguf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"retcon/internal/testfile"
)

// model opens a real model: that of RETCON_TEST_MODEL, or the demo model.
func model(t testing.TB) *File {
	t.Helper()
	path := os.Getenv("RETCON_TEST_MODEL")
	if path == "" {
		path = testfile.Demo(t)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A real model comes out as it went in: copied, put together again, and
// edited and restored.
func TestModelIdentity(t *testing.T) {
	f := model(t)
	if f.NumShards() > 1 {
		t.Skip("the model is split")
	}
	want := sha256.New()
	io.Copy(want, io.NewSectionReader(f.shards[0].r, 0, f.Size()))
	for name, e := range map[string]Edits{"copied": {}, "put together": {Set: f.KV}} {
		o, err := Rewrite(f, e)
		if err != nil {
			t.Fatal(err)
		}
		got := sha256.New()
		if _, err := o.WriteTo(got); err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Errorf("%s: the file differs: %v", name, err)
		}
	}
	t.Logf("version %d, %d keys, %d tensors, %d bytes", f.Version, len(f.KV), len(f.Tensors), f.Size())
}

func BenchmarkOpen(b *testing.B) {
	f := model(b)
	path := f.Paths()[0]
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

func BenchmarkHashTensors(b *testing.B) {
	f := model(b)
	b.SetBytes(f.dataSize())
	for b.Loop() {
		if _, err := HashTensors(context.Background(), f, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	f := model(b)
	o, err := Rewrite(f, Edits{Set: f.KV})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(o.Size())
	for b.Loop() {
		if _, err := o.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSplice writes a model with one tensor replaced to a file, and copies
// the file: the second is what the first is held against.
func BenchmarkSplice(b *testing.B) {
	f := model(b)
	t := f.Tensors[len(f.Tensors)/2]
	data, err := f.ReadTensor(t.Name, nil)
	if err != nil {
		b.Fatal(err)
	}
	o, err := Rewrite(f, Edits{Replace: []Tensor{{Name: t.Name, Type: t.Type, Data: Bytes(data)}}})
	if err != nil {
		b.Fatal(err)
	}
	toFile := func(write func(w io.Writer) error) func(*testing.B) {
		return func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "out.gguf")
			b.SetBytes(f.Size())
			for b.Loop() {
				out, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				if err := errors.Join(write(out), out.Close()); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("splice", toFile(func(w io.Writer) error { _, err := o.WriteTo(w); return err }))
	b.Run("copy", toFile(func(w io.Writer) error {
		in, err := os.Open(f.Paths()[0])
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(w, in)
		return err
	}))
}
