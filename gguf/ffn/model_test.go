package ffn_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"retcon/gguf"
	"retcon/gguf/ffn"
)

// shape describes a model whose tensors hold random bytes.
type shape struct {
	arch                string
	embd, ff            int64
	layers              int
	gate, fused, biases bool
	typ                 gguf.Type
	lengths             *gguf.Value // feed_forward_length, nil for ff
	upMore              int64       // rows that the up-projection has too many
	experts             bool
}

// llamaShape is a gated model of the given type.
func llamaShape(typ gguf.Type) shape {
	return shape{arch: "llama", embd: 256, ff: 256, layers: 2, gate: true, typ: typ}
}

// file builds the model in memory.
func (s shape) file(t testing.TB) *gguf.File {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	b := gguf.NewBuilder()
	b.Set("general.architecture", gguf.ValueOf(s.arch))
	b.Set(s.arch+".block_count", gguf.ValueOf(uint32(s.layers)))
	length := gguf.ValueOf(uint32(s.ff))
	if s.lengths != nil {
		length = *s.lengths
	}
	b.Set(s.arch+".feed_forward_length", length)
	b.Set(s.arch+".context_length", gguf.ValueOf(uint32(64)))
	add := func(name string, typ gguf.Type, dims ...int64) {
		size, err := typ.RowBytes(dims[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dims[1:] {
			size *= d
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		b.Add(gguf.Tensor{Name: name, Type: typ, Dims: dims, Data: gguf.Bytes(data)})
	}
	for l := range s.layers {
		p := fmt.Sprintf("blk.%d.", l)
		up := s.ff + s.upMore
		if s.fused {
			up *= 2
		}
		if s.gate {
			add(p+"ffn_gate.weight", s.typ, s.embd, s.ff)
		}
		add(p+"ffn_down.weight", s.typ, s.ff, s.embd)
		add(p+"ffn_up.weight", s.typ, s.embd, up)
		if s.biases {
			add(p+"ffn_up.bias", gguf.F32, up)
		}
		if s.experts {
			add(p+"ffn_down_exps.weight", s.typ, s.ff, s.embd, 2)
		}
	}
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return parse(t, buf.Bytes())
}

func parse(t testing.TB, b []byte) *gguf.File {
	t.Helper()
	f, err := gguf.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// remade is the file after a strategy made room and neurons were written.
func remade(t testing.TB, f *gguf.File, s ffn.Strategy, n int, neurons map[int64]ffn.Neuron, types map[string]gguf.Type) (*gguf.File, *ffn.Room) {
	t.Helper()
	m, err := ffn.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Room(f, m, n)
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Edits(noQuantizer{}, neurons, types)
	if err != nil {
		t.Fatal(err)
	}
	return apply(t, f, e), r
}

func apply(t testing.TB, f *gguf.File, e gguf.Edits) *gguf.File {
	t.Helper()
	out, err := gguf.Rewrite(f, e)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if _, err := out.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return parse(t, buf.Bytes())
}

// noQuantizer fails: what is only copied or F32 must do without.
type noQuantizer struct{}

func (noQuantizer) Dequantize([]float32, gguf.Type, []byte) error {
	return fmt.Errorf("a quantised block was read")
}

func (noQuantizer) Quantize([]byte, gguf.Type, []float32, int, []float32) error {
	return fmt.Errorf("a block was quantised")
}

func (noQuantizer) NeedsImportance(gguf.Type) bool { return false }

func data(t testing.TB, f *gguf.File, name string) []byte {
	t.Helper()
	b, err := f.ReadTensor(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
