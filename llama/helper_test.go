package llama_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"retcon/gguf"
	"retcon/internal/testfile"
	"retcon/internal/testmodel"
	"retcon/llama"
)

func load(t testing.TB, path string) *llama.Model {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func loadDemo(t testing.TB) *llama.Model {
	t.Helper()
	return load(t, testfile.Demo(t))
}

// tinyPath writes a tiny model without a vocabulary.
func tinyPath(t testing.TB, typ gguf.Type) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := testmodel.Small(typ).Write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadTiny(t testing.TB) *llama.Model { return load(t, tinyPath(t, gguf.Q8_0)) }

func newContext(t testing.TB, m *llama.Model, p llama.ContextParams) *llama.Context {
	t.Helper()
	p.Threads = 1 // threads that wait for each other are slow on a busy machine
	c, err := m.NewContext(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func smallContext(t testing.TB) *llama.Context {
	return newContext(t, loadTiny(t), llama.ContextParams{Cells: 64, Batch: 16, Sequences: 2})
}

// prompt is a batch of n tokens of one sequence, with logits for the last.
func prompt(n, sequence int) *llama.Batch {
	b := &llama.Batch{}
	for i := range n {
		b.Add(int32(7*i+3)%200, i, sequence, i == n-1)
	}
	return b
}

// decodeFresh gives the logits of the last token of a prompt on an empty cache.
func decodeFresh(t testing.TB, c *llama.Context, b *llama.Batch) []float32 {
	t.Helper()
	c.Clear()
	if err := c.Decode(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, c.Model().Info().Vocab)
	if err := c.Logits(logits, b.Len()-1); err != nil {
		t.Fatal(err)
	}
	return logits
}

// adapter is a LoRA adapter of rank 1 beside ffn_down of the first layer.
func adapter(t testing.TB, width, feedForward int, arch string) []byte {
	t.Helper()
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Set("general.architecture", gguf.ValueOf(arch))
	b.Set("adapter.type", gguf.ValueOf("lora"))
	b.Set("adapter.lora.alpha", gguf.ValueOf(float32(1)))
	ones := func(n int) func(io.Writer) error {
		v := make([]float32, n)
		for i := range v {
			v[i] = 0.1
		}
		return gguf.Float32s(v)
	}
	const name = "blk.0.ffn_down.weight"
	b.Add(gguf.Tensor{Name: name + ".lora_a", Type: gguf.F32, Dims: []int64{int64(feedForward), 1}, Data: ones(feedForward)})
	b.Add(gguf.Tensor{Name: name + ".lora_b", Type: gguf.F32, Dims: []int64{1, int64(width)}, Data: ones(width)})
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := b.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
