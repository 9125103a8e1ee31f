package replay

import (
	"context"
	"path/filepath"
	"testing"

	"retcon/gguf"
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
