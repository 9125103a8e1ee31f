package replay

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// Finite differences mean nothing on quantised weights, whose products round
// activations too. The gradient is compared with that of a twin that has the
// same weights in F32: it must point the same way and be as long.
func TestQuantisedGradients(t *testing.T) {
	for _, typ := range gguf.Types() {
		if !writableMatrix(typ) {
			continue
		}
		t.Run(typ.String(), func(t *testing.T) {
			path, twin := filepath.Join(t.TempDir(), "q.gguf"), filepath.Join(t.TempDir(), "f32.gguf")
			if err := testmodel.Small(typ).Write(path); err != nil {
				t.Fatal(err)
			}
			if err := testmodel.Twin(twin, path); err != nil {
				t.Fatal(err)
			}
			got, want := tinyStep(t, path), tinyStep(t, twin)
			var dot, a, b float64
			for i := range want.grad {
				x, y := float64(got.grad[i]), float64(want.grad[i])
				dot, a, b = dot+x*y, a+x*x, b+y*y
			}
			cosine, ratio := dot/math.Sqrt(a*b), math.Sqrt(a/b)
			t.Logf("cosine %.6f, norm ratio %.4f", cosine, ratio)
			if !(cosine > 0.999) || math.Abs(ratio-1) > 0.02 {
				t.Errorf("the gradient has cosine %.6f and norm ratio %.4f to its F32 twin's", cosine, ratio)
			}
		})
	}
}

func tinyStep(t *testing.T, path string) stepResult {
	t.Helper()
	m, c := openModel(t, path)
	rows := testRows(t, c, m.Info().Vocab)
	replayEverySite(t, c, rows)
	return step(t, c, 0, rows, 0, graph.F32, false)
}

// replayEverySite requires that a replay below every site equals the decode.
func replayEverySite(t *testing.T, c *llama.Context, rows []ValueRow) {
	t.Helper()
	ctx := context.Background()
	v, err := NewValue(ctx, c, ValueSpec{Batches: [][]ValueRow{rows}})
	if err != nil {
		t.Fatal(err)
	}
	d := v.batches[0].decode
	sites := []graph.ID{d.Sites.Embedding}
	for _, l := range d.Sites.Layers {
		sites = append(sites, l.Key, l.FFN, l.Attention, l.Residual)
	}
	for _, site := range sites {
		b, err := NewBelow(ctx, d, site, false)
		if err != nil {
			t.Fatal(err)
		}
		ls := b.LogitsShape()
		logits, row := make([]float32, ls[0]*ls[1]), make([]float32, ls[0])
		if err := b.Run(ctx, b.Original(), logits); err != nil {
			t.Fatal(err)
		}
		b.Close()
		r := 0
		for i, want := range d.Batch.Logits {
			if !want {
				continue
			}
			if err := c.Logits(row, i); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(row, logits[r*len(row):(r+1)*len(row)]) {
				t.Errorf("%v: the replay differs from the decode in row %d", d.Graph.Node(site), r)
			}
			r++
		}
	}
	if err := d.Rewind(); err != nil {
		t.Fatal(err)
	}
}

// writableMatrix reports the types that a matrix of a model can have.
func writableMatrix(t gguf.Type) bool {
	switch t {
	case gguf.I8, gguf.I16, gguf.I32, gguf.I64, gguf.F64, gguf.Q8_1, gguf.Q8_K:
		return false
	}
	return true
}
