package fakemodel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"retcon/edit/weight"
	"retcon/gguf"
	"retcon/internal/vec"
	"retcon/lm"
)

// Write writes the fake's weights W to a file, as type t, and gives its path.
func Write(t testing.TB, typ gguf.Type, extra ...gguf.KeyValue) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fake.gguf")
	if err := WriteFile(path, typ, extra...); err != nil {
		t.Fatal(err)
	}
	return path
}

// WriteFile is Write to a path.
func WriteFile(path string, typ gguf.Type, extra ...gguf.KeyValue) error {
	f := New()
	b := gguf.NewBuilder()
	b.Set("general.architecture", gguf.ValueOf("fake"))
	b.Set("general.name", gguf.ValueOf("Fake"))
	for _, kv := range extra {
		b.Set(kv.Key, kv.Value)
	}
	b.Add(gguf.Tensor{Name: "other", Type: gguf.F32, Dims: []int64{5}, Data: gguf.Bytes(make([]byte, 20))})
	for l := range Layers {
		row, err := typ.RowBytes(FF)
		if err != nil {
			return err
		}
		data := make([]byte, row*Width)
		if err := (Quantizer{}).Quantize(data, typ, vec.Narrow(f.Out[l], 1), FF, nil); err != nil {
			return err
		}
		b.Add(gguf.Tensor{Name: weight.Name(l), Type: typ, Dims: []int64{FF, Width}, Data: gguf.Bytes(data)})
	}
	return save(path, b)
}

// Build writes a file to the test's folder and gives its path.
func Build(t testing.TB, b *gguf.Builder) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fake.gguf")
	if err := save(path, b); err != nil {
		t.Fatal(err)
	}
	return path
}

func save(path string, b *gguf.Builder) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = b.WriteTo(file)
	return errors.Join(err, file.Close())
}

// Floats is a tensor of F32.
func Floats(name string, v []float32, dims ...int64) gguf.Tensor {
	data := make([]byte, 4*len(v))
	Quantizer{}.Quantize(data, gguf.F32, v, len(v), nil)
	return gguf.Tensor{Name: name, Type: gguf.F32, Dims: dims, Data: gguf.Bytes(data)}
}

// Open loads a file that writeFake or Run wrote, and adapters.
func Open(ctx context.Context, path string, adapters ...string) (lm.Model, error) {
	f := New()
	f.About.Path = path
	g, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	for l := range Layers {
		w, err := weight.Of(g, Quantizer{}, l, f.About)
		if err != nil {
			return nil, err
		}
		err = w.Each(ctx, func(first int, rows []float32) error {
			copy(f.Out[l][first*FF:], vec.Scaled(vec.Widen(rows), float64(w.Scale)))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, a := range adapters {
		if err := f.adapter(a); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Model) adapter(path string) error {
	g, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer g.Close()
	alpha, err := g.Float("adapter.lora.alpha")
	if err != nil {
		return err
	}
	for l := range Layers {
		t, ok := g.Tensor(weight.Name(l) + ".lora_a")
		if !ok {
			continue
		}
		rank := t.Dims[1]
		a, err := weight.ReadF32(g, t.Name, FF*rank)
		if err != nil {
			return err
		}
		b, err := weight.ReadF32(g, weight.Name(l)+".lora_b", Width*rank)
		if err != nil {
			return err
		}
		for r := range int(rank) {
			u := lm.Update{Layer: l, Left: a[r*FF : (r+1)*FF]}
			for i := range Width {
				u.Right = append(u.Right, float32(alpha)/float32(rank)*b[i*int(rank)+r])
			}
			f.base = append(f.base, u)
		}
	}
	return nil
}
