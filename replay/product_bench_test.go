package replay

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// benchRows is how many rows a product has in a step of an edit.
const benchRows = 154

// BenchmarkProduct is the product of a weight [1536, 512] with rows, forward
// (W x) and reverse (Wᵀ g), for each type of weight: the reverse one transposed
// on the way, a block at a time, and with transposes that are kept; and both, in
// any order, by the bridge's own kernel where there is one.
func BenchmarkProduct(b *testing.B) {
	for _, typ := range gguf.Types() {
		if !writableMatrix(typ) {
			continue
		}
		b.Run("type="+typ.String(), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "model.gguf")
			m := testmodel.Llama{Width: 512, FeedForward: 1536, Layers: 2, Heads: 8, Vocab: 256, Seed: 7, Type: typ, Gain: 1}
			if err := m.Write(path); err != nil {
				b.Fatal(err)
			}
			p := &productBench{}
			p.open(b, path)
			b.Run("forward", func(b *testing.B) { p.run(b, p.forward(), nil) })
			b.Run("forward-any-order", func(b *testing.B) {
				g := p.forward()
				g.AnyOrder = true
				p.run(b, g, nil)
			})
			if p.ctx.OwnKernel(graph.Type(typ)) {
				b.Run("reverse-in-place", func(b *testing.B) {
					p.anyOrder = true
					defer func() { p.anyOrder = false }()
					p.reverse(b, func(_ graph.Builder, w graph.ID) graph.ID { return w })
				})
			}
			b.Run("reverse", func(b *testing.B) { p.reverse(b, nil) })
			p.kept(b, "reverse-kept-F32", graph.F32)
			p.kept(b, "reverse-kept-BF16", graph.BF16)
			p.kept(b, "reverse-kept-F16", graph.F16)
		})
	}
}

// productBench is a graph of one product, y = W x, x being an input.
type productBench struct {
	ctx   *llama.Context
	slice *graph.Slice
	x, y  graph.ID
	// anyOrder lets reverse products run on the bridge's own kernel
	anyOrder bool
}

func (p *productBench) open(b *testing.B, path string) {
	_, p.ctx = openModel(b, path)
	var batch llama.Batch
	batch.Add(0, 0, 0, true)
	d, err := Record(context.Background(), p.ctx, batch)
	if err != nil {
		b.Fatal(err)
	}
	g := graph.Builder{Graph: &graph.Graph{}}
	for i := range d.Graph.Nodes {
		if n := d.Graph.Nodes[i]; n.Name == "blk.0.ffn_down.weight" {
			w := g.Leaf(n)
			p.x = g.Input(graph.F32, graph.Shape2(n.Ne[0], benchRows), "x")
			p.y = g.MulMat(w, p.x)
		}
	}
	p.slice = &graph.Slice{Graph: *g.Graph}
}

// forward is a fresh copy of the graph.
func (p *productBench) forward() *graph.Graph {
	return &graph.Graph{Nodes: slices.Clone(p.slice.Nodes)}
}

// reverse runs Wᵀ g alone.
func (p *productBench) reverse(b *testing.B, transposes graph.Transposes) {
	g := graph.Builder{Graph: p.forward()}
	seed := g.Input(graph.F32, g.Node(p.y).Ne, "g")
	grads, err := graph.Gradient(g.Graph, []graph.Seed{{Node: p.y, Gradient: seed}}, []graph.ID{p.x}, nil, transposes)
	if err != nil {
		b.Fatal(err)
	}
	s, err := graph.Cut(g.Graph, nil, []graph.ID{grads.Of[p.x]})
	if err != nil {
		b.Fatal(err)
	}
	for i, c := range grads.Consts {
		grads.Consts[i].Node = s.To[c.Node]
	}
	s.AnyOrder = p.anyOrder
	p.run(b, &s.Graph, grads.Consts)
}

// kept runs the reverse product with a transpose that is there already.
func (p *productBench) kept(b *testing.B, name string, typ graph.Type) {
	t, err := Transpose(context.Background(), p.ctx, p.slice, typ)
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	b.Run(name, func(b *testing.B) { p.reverse(b, t.Use) })
}

func (p *productBench) run(b *testing.B, g *graph.Graph, consts []graph.Const) {
	var inputs []graph.ID
	for i, n := range g.Nodes {
		if n.Kind == graph.Input && n.Handle == 0 && n.Type == graph.F32 {
			inputs = append(inputs, graph.ID(i))
		}
	}
	program, err := p.ctx.NewProgram(g, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer program.Close()
	if err := program.SetConsts(consts); err != nil {
		b.Fatal(err)
	}
	for _, id := range inputs {
		// memory as it comes may hold numbers so small that processors take long over them
		n := g.Nodes[id].Elements()
		if err := program.Set(id, slices.Repeat([]float32{0.5, -1.5, 2, 0.25, -0.125}, int(n)/5+1)[:n]); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := program.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	flop := 2 * float64(p.slice.Node(p.x).Elements()) * float64(p.slice.Node(p.y).Ne[0])
	b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
