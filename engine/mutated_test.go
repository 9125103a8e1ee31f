package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"retcon/engine"
	"retcon/gguf"
	"retcon/internal/built"
	"retcon/internal/mutate"
	"retcon/internal/testmodel"
)

// Damaged models, handed to llama.cpp as a user's would be: each is refused, or
// opened and asked. Another process does it, which must not die of one. It runs
// three hundred of them, and with RETCON_MUTATIONS=33 ten thousand.
func TestMutatedModels(t *testing.T) {
	files := modelsToDamage(t)
	if mutate.Child() {
		dir := t.TempDir()
		mutate.Serve(func(n int) (string, int64) {
			c := mutate.Make(files, n)
			path := filepath.Join(dir, "m.gguf")
			if err := os.WriteFile(path, c.Data, 0o666); err != nil {
				return "not written: " + err.Error(), 0
			}
			defer debug.FreeOSMemory()
			return openAndAsk(path), int64(len(c.Data))
		})
		return
	}
	opened := 0
	mutate.Children(t, files, 300, func(outcome string) {
		if outcome == "opened" {
			opened++
		}
	})
	t.Logf("%d were opened", opened)
}

// openAndAsk says what has become of a file: "opened", or why not.
func openAndAsk(path string) string {
	ctx := context.Background()
	m, err := engine.Open(ctx, path, engine.Options{CPUOnly: true, Threads: 1, Memory: 16 << 20})
	if err != nil {
		return "refused: " + err.Error()
	}
	defer m.Close()
	ids := []int32{1, 2, 3}
	if tokens, err := m.Tokenize("The Eiffel Tower, in 2024:\n", false); err == nil && len(tokens) > 0 {
		ids = ids[:0]
		for _, t := range tokens {
			ids = append(ids, t.ID)
		}
		m.Text(ids)
	}
	if err := m.Logits(ctx, ids, func(int, []float32) error { return nil }); err != nil {
		return "asked: " + err.Error()
	}
	return "opened"
}

// modelsToDamage are tiny models with the tokenizers that llama.cpp knows, and
// some of other architectures where they were made.
func modelsToDamage(t *testing.T) []mutate.File {
	t.Helper()
	var files []mutate.File
	add := func(name, path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, mutate.File{Name: name, Data: data, Mutate: mutate.GGUF})
	}
	for _, kind := range []string{"none", "llama", "gpt2", "bert", "t5", "rwkv"} {
		path := filepath.Join(t.TempDir(), "m.gguf")
		m := testmodel.Llama{Width: 32, FeedForward: 64, Layers: 2, Heads: 2, Vocab: 300, Seed: 3, Type: gguf.F32, Gain: 0.5}
		m.Tokenizer = kind
		if err := m.Write(path); err != nil {
			t.Fatal(err)
		}
		add("a llama with the tokenizer "+kind, path)
	}
	for _, name := range []string{"gpt2-dense", "gemma2-dense", "qwen3moe-moe", "mamba-dense", "phi3-dense", "falcon-h1-dense", "deepseek2-moe"} {
		path := built.Tool(filepath.Join("archs", name+".gguf"))
		if _, err := os.Stat(path); err != nil {
			t.Logf("NOT TESTED: %s is absent (make archs)", path)
			continue
		}
		add(name, path)
	}
	return files
}
