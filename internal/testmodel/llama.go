// Package testmodel writes tiny models for tests.
package testmodel

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/built"
	"retcon/llama"
)

// Llama describes a model of llama's shape with random weights. Widths that
// are multiples of 256 can hold every quantised type.
type Llama struct {
	Width, FeedForward, Layers, Heads, Vocab int
	Seed                                     uint64
	// Type is the type of the matrices; vectors stay F32.
	Type gguf.Type
	// Gain scales the matrices: 1 keeps the size of a random vector. Below it
	// the model is smoother.
	Gain float64
	// Tokenizer is the kind of vocabulary, none if empty.
	Tokenizer string
}

// Small is a model of two layers.
func Small(t gguf.Type) Llama {
	return Llama{Width: 256, FeedForward: 256, Layers: 2, Heads: 4, Vocab: 256, Seed: 7, Type: t, Gain: 0.5}
}

// Write writes the model to path. What takes llama.cpp seconds to begin with, the
// grids of the IQ types, is kept in the build folder for the next test.
func (m Llama) Write(path string) error {
	kept := built.Path(fmt.Sprintf("small/%.16x.gguf", sha256.Sum256(fmt.Appendf(nil, "%+v %s", m, llama.Version()))))
	if !strings.HasPrefix(m.Type.String(), "IQ") {
		return m.write(path)
	}
	if data, err := os.ReadFile(kept); err == nil {
		return os.WriteFile(path, data, 0o644)
	}
	if err := m.write(path); err != nil {
		return err
	}
	return keep(kept, path)
}

// keep copies a file to a name, whole or not at all.
func keep(name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := atomicfile.Create(name, atomicfile.Options{Force: true})
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

func (m Llama) write(path string) error {
	b := gguf.NewBuilder()
	set := func(key string, v gguf.Value) { b.Set(key, v) }
	set("general.architecture", gguf.ValueOf("llama"))
	set("general.name", gguf.ValueOf("tiny "+m.Type.String()))
	set("llama.context_length", gguf.ValueOf(uint32(512)))
	set("llama.embedding_length", gguf.ValueOf(uint32(m.Width)))
	set("llama.block_count", gguf.ValueOf(uint32(m.Layers)))
	set("llama.feed_forward_length", gguf.ValueOf(uint32(m.FeedForward)))
	set("llama.attention.head_count", gguf.ValueOf(uint32(m.Heads)))
	set("llama.attention.head_count_kv", gguf.ValueOf(uint32(m.Heads/2)))
	set("llama.attention.layer_norm_rms_epsilon", gguf.ValueOf(float32(1e-5)))
	set("llama.rope.dimension_count", gguf.ValueOf(uint32(m.Width/m.Heads)))
	set("llama.vocab_size", gguf.ValueOf(uint32(m.Vocab)))
	for _, kv := range tokenizer(cmp.Or(m.Tokenizer, "none"), m.Vocab) {
		b.Set(kv.Key, kv.Value)
	}
	if err := m.tensors(b); err != nil {
		return err
	}
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		return err
	}
	return os.WriteFile(path, buf.Bytes(), 0o644)
}

func (m Llama) tensors(b *gguf.Builder) error {
	rng := rand.New(rand.NewPCG(m.Seed, 1))
	kv := m.Width / 2
	add := func(name string, in, out int) error { return m.matrix(b, rng, name, in, out) }
	norm := func(name string) {
		v := make([]float32, m.Width)
		for i := range v {
			v[i] = 1 + 0.1*float32(rng.NormFloat64())
		}
		b.Add(gguf.Tensor{Name: name, Type: gguf.F32, Dims: []int64{int64(m.Width)}, Data: gguf.Float32s(v)})
	}
	if err := add("token_embd.weight", m.Width, m.Vocab); err != nil {
		return err
	}
	norm("output_norm.weight")
	if err := add("output.weight", m.Width, m.Vocab); err != nil {
		return err
	}
	for l := range m.Layers {
		p := fmt.Sprintf("blk.%d.", l)
		norm(p + "attn_norm.weight")
		norm(p + "ffn_norm.weight")
		for _, w := range []struct {
			name    string
			in, out int
		}{
			{"attn_q", m.Width, m.Width}, {"attn_k", m.Width, kv}, {"attn_v", m.Width, kv}, {"attn_output", m.Width, m.Width},
			{"ffn_gate", m.Width, m.FeedForward}, {"ffn_up", m.Width, m.FeedForward}, {"ffn_down", m.FeedForward, m.Width},
		} {
			if err := add(p+w.name+".weight", w.in, w.out); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m Llama) matrix(b *gguf.Builder, rng *rand.Rand, name string, in, out int) error {
	v := make([]float32, in*out)
	scale := m.Gain / math.Sqrt(float64(in))
	for i := range v {
		v[i] = float32(rng.NormFloat64() * scale)
	}
	rowBytes, err := m.Type.RowBytes(int64(in))
	if err != nil {
		return err
	}
	data := make([]byte, rowBytes*int64(out))
	var importance []float32
	if llama.NeedsImportance(int(m.Type)) {
		importance = make([]float32, in)
		for i := range importance {
			importance[i] = 1
		}
	}
	if err := llama.Quantize(data, int(m.Type), v, in, importance); err != nil {
		return err
	}
	b.Add(gguf.Tensor{Name: name, Type: m.Type, Dims: []int64{int64(in), int64(out)}, Data: gguf.Bytes(data)})
	return nil
}

// Twin writes the model in src to dst with every tensor in F32, of the same
// values.
func Twin(dst, src string) error {
	f, err := gguf.Open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	var e gguf.Edits
	for _, t := range f.Tensors {
		if t.Type == gguf.F32 {
			continue
		}
		data, err := f.ReadTensor(t.Name, nil)
		if err != nil {
			return err
		}
		v := make([]float32, t.Elements())
		if err := llama.Dequantize(v, int(t.Type), data); err != nil {
			return err
		}
		e.Replace = append(e.Replace, gguf.Tensor{Name: t.Name, Type: gguf.F32, Data: gguf.Float32s(v)})
	}
	return rewrite(dst, f, e)
}

// SetKey sets a key of the model in path.
func SetKey(path, key string, v gguf.Value) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	err = rewrite(tmp, f, gguf.Edits{Set: []gguf.KeyValue{{Key: key, Value: v}}})
	f.Close()
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// SetType gives a tensor of the model in path another type, and zeros.
func SetType(path, name string, typ gguf.Type) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	t, ok := f.Tensor(name)
	if !ok {
		return fmt.Errorf("%s has no tensor %s", path, name)
	}
	row, err := typ.RowBytes(t.RowLength())
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := rewrite(tmp, f, gguf.Edits{Replace: []gguf.Tensor{{Name: name, Type: typ, Data: gguf.Bytes(make([]byte, row*t.Rows()))}}}); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func rewrite(dst string, f *gguf.File, e gguf.Edits) error {
	out, err := gguf.Rewrite(f, e)
	if err != nil {
		return err
	}
	w, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = out.WriteTo(w)
	return err
}
