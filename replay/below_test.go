package replay

import (
	"context"

	"retcon/graph"
	"retcon/llama"
)

// Below is the network below a site as a program: the site's value goes in,
// the logits come out, and on demand the gradient at the site.
type Below struct {
	decode  *Decode
	slice   *graph.Slice
	program *llama.Program
	site    graph.ID // input [width, rows]
	logits  graph.ID // [n_vocab, rows asked for]
	seed    graph.ID // dL/dlogits, None without a gradient
	grad    graph.ID // dL/dsite
}

// NewBelow cuts the network below a site of the decode. With gradient set the
// program also computes the derivative of Σ seed·logits at the site.
func NewBelow(ctx context.Context, d *Decode, site graph.ID, gradient bool) (*Below, error) {
	s, err := graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits})
	if err != nil {
		return nil, err
	}
	if err := d.Keep(ctx, s); err != nil {
		return nil, err
	}
	b := &Below{decode: d, slice: s, site: s.To[site], logits: s.To[d.Sites.Logits], seed: graph.None, grad: graph.None}
	outputs := []graph.ID{b.logits}
	var consts []graph.Const
	if gradient {
		b.seed = graph.Builder{Graph: &s.Graph}.Input(graph.F32, s.Node(b.logits).Ne, "seed")
		g, err := graph.Gradient(&s.Graph, []graph.Seed{{Node: b.logits, Gradient: b.seed}}, []graph.ID{b.site}, d.Known(s), nil)
		if err != nil {
			return nil, err
		}
		b.grad = graph.Builder{Graph: &s.Graph}.Own(g.Of[b.site])
		outputs = append(outputs, b.grad)
		consts = g.Consts
	}
	if b.program, err = d.Context.NewProgram(&s.Graph, outputs); err != nil {
		return nil, err
	}
	if err = d.Load(b.program, s); err == nil {
		err = b.program.SetConsts(consts)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// SiteShape is the shape of the site's value.
func (b *Below) SiteShape() [4]int64 { return b.slice.Node(b.site).Ne }

// LogitsShape is the shape of the logits.
func (b *Below) LogitsShape() [4]int64 { return b.slice.Node(b.logits).Ne }

// Original is the site's value in the decode.
func (b *Below) Original() []float32 {
	return floats(b.decode.Value(b.slice.From[b.site]))
}

// Run computes the logits for a value of the site.
func (b *Below) Run(ctx context.Context, site []float32, logits []float32) error {
	if err := b.program.Set(b.site, site); err != nil {
		return err
	}
	if err := b.program.Run(ctx); err != nil {
		return err
	}
	return b.program.Read(logits, b.logits)
}

// Gradient computes the derivative of Σ seed·logits at a value of the site.
func (b *Below) Gradient(ctx context.Context, site, seed, grad []float32) error {
	if err := b.program.Set(b.site, site); err != nil {
		return err
	}
	if err := b.program.Set(b.seed, seed); err != nil {
		return err
	}
	if err := b.program.Run(ctx); err != nil {
		return err
	}
	return b.program.Read(grad, b.grad)
}

// Close frees the program.
func (b *Below) Close() error { return b.program.Close() }
