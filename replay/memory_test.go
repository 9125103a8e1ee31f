package replay

import (
	"context"
	"path/filepath"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// The memory of a context grows by its cache, two vectors a layer for each
// cell, and by what a batch computes against that many cells.
func TestContextBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := testmodel.Small(gguf.F32).Write(path); err != nil {
		t.Fatal(err)
	}
	m, _ := openModel(t, path)
	bytes := func(cells, outputs int) int64 {
		c, err := m.NewContext(llama.ContextParams{Cells: cells, Batch: 64, Outputs: outputs, Sequences: 1, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var b llama.Batch
		b.Add(1, 0, 0, true)
		d, err := Record(context.Background(), c, b)
		if err != nil {
			t.Fatal(err)
		}
		n, err := d.ContextBytes(c.Params())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const layers, kv = 2, 128
	small := bytes(256, 1)
	if more, cache := bytes(1024, 1)-small, int64(2*layers*kv*4*(1024-256)); more < cache || more > 2*cache {
		t.Errorf("768 cells more take %d bytes, %d in the cache", more, cache)
	}
	if more, logits := bytes(256, 64)-small, int64(63*256*4); more < logits {
		t.Errorf("63 rows of logits more take %d bytes, not %d", more, logits)
	}
}

// The shape of a model is what its file says, and the memory of a context that it
// gives is what the decode of a batch takes, high rather than low.
func TestShape(t *testing.T) {
	tiny := testmodel.Small(gguf.Q8_0)
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tiny.Write(path); err != nil {
		t.Fatal(err)
	}
	m, c := openModel(t, path)
	s, err := ShapeOf(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if w := s.Widths; w.Stream != tiny.Width || w.Key != tiny.FeedForward || w.Logits != tiny.Vocab || w.Heads != tiny.Width {
		t.Errorf("widths %+v of %+v", w, tiny)
	}
	matrices := int64(tiny.Width) * int64(2*tiny.Width+2*s.Cached+3*tiny.FeedForward) * int64(tiny.Layers)
	if s.Layered != matrices || s.Weights != matrices+int64(tiny.Width*tiny.Vocab) {
		t.Errorf("%d elements of weights, %d in layers, not %d", s.Weights, s.Layered, matrices)
	}
	for _, batch := range []int{1, 64, 256, 1024} {
		p := llama.ContextParams{Cells: max(256, batch), Batch: batch, Outputs: 1, Sequences: 1, Threads: 1}
		c, err := m.NewContext(p)
		if err != nil {
			t.Fatal(err)
		}
		o, err := NewOutline(t.Context(), c, 0, c.Params())
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		got := s.ContextBytes(p) + decodeBytes(s, p)
		t.Logf("%d rows: %d KiB, measured %d KiB", batch, got>>10, o.ContextBytes>>10)
		if got < o.ContextBytes || got > 2*o.ContextBytes {
			t.Errorf("a context for %d rows: %d bytes, measured %d", batch, got, o.ContextBytes)
		}
	}
}

// decodeBytes is what llama.cpp sets aside for the values of a batch, and a
// trace, which decodes nothing, never touches: a few vectors of each token, the mask, and a layer's scores in all cells.
func decodeBytes(s Shape, p llama.ContextParams) int64 {
	row := 2*max(s.Key, s.Heads) + 3*s.Stream + p.Cells*(s.Queries+1)
	return int64(p.Batch) * int64(row) * int64(graph.F32.Size())
}
