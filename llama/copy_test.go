package llama_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/llama"
)

// stored is a tensor of the type that holds data.
func stored(t *testing.T, c *llama.Context, typ gguf.Type, ne [4]int64, data []byte) graph.Node {
	t.Helper()
	s, err := c.NewStore([]llama.TensorSpec{{Type: graph.Type(typ), Ne: ne}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := llama.WriteTensor(c, s.Handle(0), 0, data); err != nil {
		t.Fatal(err)
	}
	return graph.Node{Kind: graph.Weight, Type: graph.Type(typ), Ne: ne, Handle: s.Handle(0), Name: "w"}
}

// quantized are rows of k values as a type, and what they dequantise to.
func quantized(t *testing.T, typ gguf.Type, values []float32, k int) (data []byte, back []float32) {
	t.Helper()
	size, err := typ.RowBytes(int64(k))
	if err != nil {
		t.Fatal(err)
	}
	data = make([]byte, size*int64(len(values)/k))
	back = make([]float32, len(values))
	if err := errors.Join(llama.Quantize(data, int(typ), values, k, nil), llama.Dequantize(back, int(typ), data)); err != nil {
		t.Fatal(err)
	}
	return data, back
}

func turned(values []float32, k int) []float32 {
	m := len(values) / k
	out := make([]float32, len(values))
	for i, v := range values {
		out[i%k*m+i/k] = v
	}
	return out
}

// copiedTypes are those that the bridge dequantises by itself, and some others.
var copiedTypes = []gguf.Type{
	gguf.F32, gguf.F16, gguf.BF16, gguf.Q4_0, gguf.Q4_1, gguf.Q5_0, gguf.Q5_1, gguf.Q8_0, gguf.Q2_K, gguf.Q3_K,
	gguf.Q4_K, gguf.Q5_K, gguf.Q6_K, gguf.IQ4_NL, gguf.IQ4_XS, gguf.TQ1_0, gguf.MXFP4,
}

// TestCopyWeight copies matrices of all kinds of types, as they are and
// transposed, in two parts, and compares with a conversion a value at a time.
func TestCopyWeight(t *testing.T) {
	c, err := loadTiny(t).NewContext(llama.ContextParams{Cells: 64, Batch: 16, Sequences: 2, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const k, m = 256, 77 // no whole number of tiles
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, k*m)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	for _, from := range copiedTypes {
		data, back := quantized(t, from, values, k)
		w := stored(t, c, from, graph.Shape2(k, m), data)
		for _, to := range []gguf.Type{gguf.F32, gguf.F16, gguf.BF16} {
			for _, transposed := range []bool{false, true} {
				want, ne, length := back, graph.Shape2(k, m), k
				if transposed {
					want, ne, length = turned(back, k), graph.Shape2(m, k), m
				}
				expected, _ := quantized(t, to, want, length)
				dst := stored(t, c, to, ne, make([]byte, len(expected)))
				for _, part := range [][2]int64{{0, 40}, {40, m - 40}} {
					if done, err := c.CopyWeight(t.Context(), w, dst.Handle, part[0], part[1], transposed); !done || err != nil {
						t.Fatal(done, err)
					}
				}
				got := make([]byte, len(expected))
				if err := llama.ReadTensor(c, dst.Handle, 0, got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, expected) {
					t.Errorf("%v to %v, transposed %v: other bytes", from, to, transposed)
				}
			}
		}
	}
}

func TestCopyWeightErrors(t *testing.T) {
	c := smallContext(t)
	data, _ := quantized(t, gguf.Q8_0, make([]float32, 64*8), 64)
	w := stored(t, c, gguf.Q8_0, graph.Shape2(64, 8), data)
	square := stored(t, c, gguf.F32, graph.Shape2(64, 8), make([]byte, 4*64*8))
	for name, f := range map[string]func() (bool, error){
		"another shape":       func() (bool, error) { return c.CopyWeight(t.Context(), w, square.Handle, 0, 8, true) },
		"rows past the end":   func() (bool, error) { return c.CopyWeight(t.Context(), w, square.Handle, 4, 5, false) },
		"a quantised copy":    func() (bool, error) { return c.CopyWeight(t.Context(), square, w.Handle, 0, 8, false) },
		"an unknown handle":   func() (bool, error) { return c.CopyWeight(t.Context(), w, 12345, 0, 8, false) },
		"a row below nothing": func() (bool, error) { return c.CopyWeight(t.Context(), w, square.Handle, -1, 2, false) },
	} {
		if done, err := f(); done || !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
}
