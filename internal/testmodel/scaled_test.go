package testmodel_test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"retcon/gguf"
	"retcon/internal/testfile"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// A scaled model loads, has as many weights as it says, reads text as the
// tokenizer's model does, and stays finite.
func TestScaled(t *testing.T) {
	demoModel := testfile.Demo(t)
	s := testmodel.Scaled{Name: "tiny", Width: 256, FeedForward: 512, Layers: 3, Heads: 4, KVHeads: 2, Vocab: 49408, Type: gguf.Q4_K, Seed: 1}
	path := filepath.Join(t.TempDir(), "scaled.gguf")
	if err := s.Write(path, demoModel); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var n int64
	for _, info := range f.Tensors {
		n += info.Elements()
	}
	if n != s.Params() {
		t.Errorf("%d weights, %d said", n, s.Params())
	}
	m, demo := load(t, path), load(t, demoModel)
	const text = "The Eiffel Tower is located in the city of"
	got, err := m.Tokenize(text, false)
	want, err2 := demo.Tokenize(text, false)
	if err != nil || err2 != nil || !slices.Equal(got, want) {
		t.Fatalf("tokens %v, not %v: %v, %v", got, want, err, err2)
	}
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: 64, Sequences: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b llama.Batch
	for i, tok := range got {
		b.Add(tok.ID, i, 0, i == len(got)-1)
	}
	logits := make([]float32, s.Vocab)
	if err := c.Decode(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	if err := c.Logits(logits, b.Len()-1); err != nil {
		t.Fatal(err)
	}
	sum := 0.
	for _, l := range logits {
		sum += float64(l) * float64(l)
	}
	if size := math.Sqrt(sum / float64(len(logits))); !(size > 0.01 && size < 100) {
		t.Errorf("logits have a root mean square of %g", size)
	}
}

func load(t *testing.T, path string) *llama.Model {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}
