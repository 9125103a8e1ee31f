package llama_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/llama"
)

// A profile counts every node of every run of a program, and the products'
// arithmetic; a decode is a line with the arithmetic of its graph.
func TestProfile(t *testing.T) {
	m := loadTiny(t)
	c := newContext(t, m, llama.ContextParams{Cells: 32, Batch: 16, Sequences: 2})
	b := graph.Builder{Graph: &graph.Graph{}}
	x, y := b.Input(graph.F32, graph.Shape2(64, 32), "x"), b.Input(graph.F32, graph.Shape2(64, 8), "y")
	z := b.Scale(b.MulMat(x, y), 2, 0)
	p, err := c.NewProgram(b.Graph, []graph.ID{z})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	run := func() []float32 {
		t.Helper()
		out := make([]float32, 32*8)
		ones := make([]float32, 64*32)
		for i := range ones {
			ones[i] = 1
		}
		for _, err := range []error{p.Set(x, ones), p.Set(y, ones[:64*8]), p.Run(context.Background()), p.Read(out, z)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	var batch llama.Batch
	batch.Add(1, 0, 0, true)
	batch.Add(2, 1, 0, true)
	want := run()

	var prof llama.Profile
	m.SetProfile(&prof)
	for range 3 {
		if !slices.Equal(run(), want) {
			t.Error("a profiled program computes something else")
		}
	}
	if err := c.Decode(context.Background(), &batch); err != nil {
		t.Fatal(err)
	}
	m.SetProfile(nil)
	run()

	costs := prof.Costs()
	find := func(op string) llama.Cost {
		i := slices.IndexFunc(costs, func(c llama.Cost) bool { return c.Op == op })
		if i < 0 {
			t.Fatalf("there is no %s in %v", op, costs)
		}
		return costs[i]
	}
	if c := find(string(graph.OpMulMat)); c.Nodes != 3 || c.FLOP != 3*2*64*32*8 || !strings.Contains(c.Shape, "[64 32] x [64 8]") {
		t.Errorf("three products are %+v", c)
	}
	// the tiny model has 2 layers of 7 matrices and an output matrix
	least := 2. * 2 * (2*(256*256+256*128+256*128+256*256+3*256*256) + 256*256)
	if c := find("decode"); c.Nodes != 1 || c.Seconds <= 0 || c.FLOP < least {
		t.Errorf("a decode of %g FLOP at least is %+v", least, c)
	}
	var text bytes.Buffer
	if err := prof.Write(&text); err != nil || !strings.Contains(text.String(), "f32 [64 32] x [64 8]") {
		t.Errorf("%v\n%s", err, text.String())
	}
}
