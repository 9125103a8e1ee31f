package replay

import (
	"path/filepath"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/llama"
)

// Keys and values by a program are those of a decode: within rounding where
// weights are plain, within that of quantised products where they are not.
func TestKeys(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			var b llama.Batch
			for seq := range 3 {
				for pos := range 5 + seq {
					b.Add(int32((31*pos+17*seq+3)%m.Info().Vocab), pos, seq, pos == 4+seq)
				}
			}
			bound := 1e-5
			if strings.Contains(path, "Q4_1") {
				bound = 0.05
			}
			for _, layer := range []int{0, m.Info().Layers - 1} {
				c.Clear()
				d, err := Record(t.Context(), c, b)
				if err != nil {
					t.Fatal(err)
				}
				site := d.Sites.Layers[layer]
				if err := d.keepNodes(t.Context(), []graph.ID{site.Key, site.FFN}); err != nil {
					t.Fatal(err)
				}
				want := [][][]float32{d.asked(site.Key), d.asked(site.FFN)}
				c.Clear()
				keys, values, ok, err := Keys(t.Context(), c, b, layer, NewCopies(c, graph.F32, 0))
				if err != nil || !ok {
					t.Fatalf("layer %d: ok is %v, %v", layer, ok, err)
				}
				for i, got := range [][][]float32{keys, values} {
					if len(got) != 3 {
						t.Fatalf("layer %d: %d rows", layer, len(got))
					}
					for row := range got {
						if diff := relative(got[row], want[i][row]); !(diff <= bound) {
							t.Errorf("layer %d, row %d, %s: off by %g", layer, row, []string{"key", "value"}[i], diff)
						}
					}
				}
			}
		})
	}
	_, c := openModel(t, fixtures(t, "llama-dense")[0])
	var b llama.Batch
	b.Add(1, 0, 0, true)
	if _, _, ok, err := Keys(t.Context(), c, b, 0, NewTransposes(c, graph.F32, 0)); ok || err != nil {
		t.Errorf("weights as they are: ok is %v, %v", ok, err)
	}
}
