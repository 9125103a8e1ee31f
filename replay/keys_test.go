package replay

import (
	"path/filepath"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/llama"
)

// Queries of the last network by a program are those of a decode, in the same way:
// of last tokens, and of every token of texts.
func TestQueriesByProgram(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			const rows, length = 3, 6
			texts := make([][]int32, rows)
			var last, all llama.Batch
			for seq := range texts {
				for pos := range length {
					token := int32((31*pos + 17*seq + 3) % m.Info().Vocab)
					texts[seq] = append(texts[seq], token)
					all.Add(token, pos, seq, true)
					if pos < length-seq { // rows of other lengths are filled up
						last.Add(token, pos, seq, pos == length-seq-1)
					}
				}
			}
			d, err := Record(t.Context(), c, all)
			if err != nil {
				t.Fatal(err)
			}
			n, err := d.Network()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.keepNodes(t.Context(), []graph.ID{n.Query}); err != nil {
				t.Fatal(err)
			}
			want := d.asked(n.Query)
			bound := 1e-5
			if strings.Contains(path, "Q4_1") {
				bound = 0.05
			}
			near := func(what string, got, want []float32) {
				if diff := relative(got, want); !(diff <= bound) {
					t.Errorf("%s: off by %g", what, diff)
				}
			}
			c.Clear()
			got, ok, err := LastQueries(t.Context(), c, last, NewCopies(c, ThisProcessor().In(graph.F32), 0))
			if err != nil || !ok || len(got) != rows {
				t.Fatalf("%d rows, ok is %v, %v", len(got), ok, err)
			}
			for seq := range got {
				near("last query", got[seq], want[(seq+1)*length-seq-1])
			}
			c.Clear()
			testApart(t, c, last)
			c.Clear()
			q, err := NewQueries(t.Context(), c, rows, length, NewCopies(c, ThisProcessor().In(graph.F32), 0))
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			out := make([]float32, rows*length*q.Width())
			if err := q.Run(t.Context(), texts, out); err != nil {
				t.Fatal(err)
			}
			for row := range want {
				near("query", out[row*q.Width():][:q.Width()], want[row])
			}
		})
	}
}

// testApart holds last queries to attention of each sequence's own: without it
// they are right as well, but slow.
func testApart(t *testing.T, c *llama.Context, b llama.Batch) {
	t.Helper()
	b, rows := evened(b, 64)
	d, err := sketched(t.Context(), c, b)
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.Network()
	if err != nil {
		t.Fatal(err)
	}
	s, err := graph.Cut(d.Graph, nil, []graph.ID{n.Query})
	if err != nil {
		t.Fatal(err)
	}
	_, consts, err := d.apart(s, rows)
	if err != nil || len(consts) == 0 {
		t.Errorf("rows attend to all of the batch (%v)", err)
	}
}

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
				keys, values, ok, err := Keys(t.Context(), c, b, layer, NewCopies(c, ThisProcessor().In(graph.F32), 0))
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
	if _, _, ok, err := Keys(t.Context(), c, b, 0, NewCopies(c, Policy{Gradients: true}, 0)); ok || err != nil {
		t.Errorf("weights as they are: ok is %v, %v", ok, err)
	}
}
