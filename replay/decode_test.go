package replay_test

import (
	"context"
	"math"
	"testing"

	"retcon/graph"
	"retcon/internal/testfile"
	"retcon/llama"
	"retcon/replay"
)

func loadDemo(t testing.TB) *llama.Model {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), testfile.Demo(t), llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// twoSequences decodes prefixes and returns the batch that goes on behind them.
func twoSequences(t testing.TB, c *llama.Context, vocab int) llama.Batch {
	t.Helper()
	var prefix, rest llama.Batch
	for seq := range 2 {
		for pos := range 3 + seq {
			prefix.Add(int32((17*pos+5*seq+3)%vocab), pos, seq, false)
		}
	}
	if err := c.Decode(context.Background(), &prefix); err != nil {
		t.Fatal(err)
	}
	for seq := range 2 {
		for i := range 4 {
			rest.Add(int32((29*i+7*seq+11)%vocab), 3+seq+i, seq, true)
		}
	}
	return rest
}

func TestReplayDemo(t *testing.T) {
	m := loadDemo(t)
	c, err := m.NewContext(llama.ContextParams{Cells: 256, Batch: 64, Sequences: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	d, err := replay.Record(ctx, c, twoSequences(t, c, m.Info().Vocab))
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range []int{0, 5, 29} {
		replayEqualsDecode(t, d, d.Sites.Layers[layer].FFN)
	}
}

func replayEqualsDecode(t *testing.T, d *replay.Decode, site graph.ID) {
	t.Helper()
	ctx := context.Background()
	s, err := graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(ctx, s); err != nil {
		t.Fatal(err)
	}
	out := s.To[d.Sites.Logits]
	p, err := d.Context.NewProgram(&s.Graph, []graph.ID{out})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := d.Load(p, s); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	n := s.Node(out)
	got := make([]float32, n.Elements())
	if err := p.Read(got, out); err != nil {
		t.Fatal(err)
	}
	row := make([]float32, n.Ne[0])
	worst := 0.0
	r := 0
	for i, want := range d.Batch.Logits {
		if !want {
			continue
		}
		if err := d.Context.Logits(row, i); err != nil {
			t.Fatal(err)
		}
		for j, v := range row {
			worst = max(worst, math.Abs(float64(v-got[r*len(row)+j])))
		}
		r++
	}
	if worst != 0 || r == 0 {
		t.Errorf("%v: replay differs from the decode by %g", d.Graph.Node(site), worst)
	}
	t.Logf("%d nodes", len(s.Nodes))
}
