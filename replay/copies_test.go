package replay

import (
	"path/filepath"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// belowLayer is the network below a layer's FFN output of a small model of
// quantised weights, on ggml's kernels alone, so that all of them have copies.
func belowLayer(t *testing.T, c *llama.Context, layer int) *graph.Slice {
	t.Helper()
	o, err := NewOutline(t.Context(), c, layer, c.Params())
	if err != nil {
		t.Fatal(err)
	}
	return o.Slice
}

func copiesModel(t *testing.T) *llama.Context {
	t.Helper()
	tiny := testmodel.Small(gguf.Q8_0)
	tiny.Layers = 4
	path := filepath.Join(t.TempDir(), "q8.gguf")
	if err := tiny.Write(path); err != nil {
		t.Fatal(err)
	}
	_, c := openWith(t, path, llama.ModelParams{CPUOnly: true, GGMLOnly: true})
	return c
}

// Whatever the policy and the budget, copies keep within it, live as long as the
// policy says, and never differ from what they would be without a history.
func TestCopiesLife(t *testing.T) {
	c := copiesModel(t)
	s := belowLayer(t, c, 1)
	whole := TransposeBytes(s, graph.F32)
	for _, m := range machines() {
		for name, p := range m.policies() {
			t.Run(m.name+", "+name, func(t *testing.T) {
				for _, budget := range []int64{0, whole / 4, whole / 2, 4 * whole} {
					k := NewCopies(c, p, budget)
					defer k.Drop()
					checkLife(t, k, s, budget)
				}
			})
		}
	}
}

func checkLife(t *testing.T, k *Copies, s *graph.Slice, budget int64) {
	t.Helper()
	fits := func(when string) {
		t.Helper()
		if k.Bytes() > k.budget && (when != "fitted" || len(k.order) > 0) { // transposes stay
			t.Errorf("%s: %v", when, k)
		}
	}
	used := func() int64 {
		t.Helper()
		if k.policy.Gradients {
			if _, err := k.Transposes(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		g := graph.Graph{Nodes: append([]graph.Node(nil), s.Nodes...)}
		if err := k.use(t.Context(), &g); err != nil {
			t.Fatal(err)
		}
		fits("used")
		return k.Bytes()
	}
	first := used()
	t.Log(k)
	if (first > 0) != (budget > 0 && (k.policy.Products || k.policy.Gradients)) {
		t.Errorf("with room for %d bytes: %v", budget, k)
	}
	if again := used(); again != first {
		t.Errorf("used again they take %d bytes, not %d", again, first)
	}
	k.NextLayer()
	if kept := k.Bytes(); (kept == 0) != (first == 0 || k.policy.Life == ForLayer) {
		t.Errorf("in the next layer %v", k)
	}
	k.Fit(budget / 2)
	fits("fitted")
	if k.TransposedBytes() > k.Bytes() {
		t.Errorf("fitted: %v", k)
	}
	k.KeepReverse()
	if k.Bytes() != k.TransposedBytes() {
		t.Errorf("without copies for products: %v", k)
	}
	k.Drop()
	k.SetBudget(budget)
	if fresh := used(); fresh != first {
		t.Errorf("after all that they take %d bytes, not %d", fresh, first)
	}
	other := k.Policy()
	if other.Copy = graph.F16; k.policy.Products || k.policy.Gradients {
		if k.Follow(other); k.Bytes() != 0 {
			t.Errorf("in another type: %v", k)
		}
	}
	k.policy.Own = []graph.Type{graph.F32}
	if k.Follow(Policy{Copy: graph.BF16}); !k.policy.takes(graph.F32) || k.policy.Copy != graph.BF16 {
		t.Errorf("another policy on the same kernels: %v", k)
	}
}

// What an edit's slice needs comes first and all of it or none; other weights have
// room until the prefixes are done, and what another slice had changes nothing.
func TestCopiesOfSlice(t *testing.T) {
	c := copiesModel(t)
	whole, part := belowLayer(t, c, 0), belowLayer(t, c, 2)
	need := TransposeBytes(part, graph.BF16)
	for _, room := range []int64{0, need - 1, need, 2 * need} {
		var texts []string
		for _, before := range []*graph.Slice{nil, whole} {
			k := NewCopies(c, ProcessorWith([]string{"AVX512", "AVX512_BF16"}).Steps(), 0)
			defer k.Drop()
			for _, s := range []*graph.Slice{before, part} {
				if s == nil {
					continue
				}
				k.StartSlice(s)
				if err := k.Reserve(t.Context(), s, room); err != nil {
					t.Fatal(err)
				}
			}
			want := int64(0)
			if room >= need {
				want = need
			}
			if k.TransposedBytes() != want || k.Bytes() != want {
				t.Errorf("room for %d bytes, %d needed: %v", room, need, k)
			}
			if k.aside == nil || k.aside.Bytes() != 0 || want > 0 && k.aside.budget != room/4 {
				t.Errorf("for other weights: %v", k.aside)
			}
			g := graph.Graph{Nodes: append([]graph.Node(nil), whole.Nodes...)}
			if err := k.use(t.Context(), &g); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, k.String()+"; aside "+k.aside.String())
			if k.DropAside(); k.aside != nil {
				t.Error("other weights keep their copies")
			}
		}
		if t.Log(texts[0]); texts[0] != texts[1] {
			t.Errorf("after another slice: %s", texts[1])
		}
	}
	if !strings.Contains((*Copies)(nil).String(), "as they are") {
		t.Error("no copies are not weights as they are")
	}
}
