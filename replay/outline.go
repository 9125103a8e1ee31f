package replay

import (
	"context"

	"retcon/graph"
	"retcon/llama"
)

// Outline is the network below a layer's FFN output as it is before anything
// has been decoded, and what a context for it takes.
type Outline struct {
	Slice        *graph.Slice
	ContextBytes int64
}

// NewOutline sketches the largest decode of a context of sizes p in an empty one
// that is at least as large, and leaves it empty. What it tells is of sizes p.
func NewOutline(ctx context.Context, c *llama.Context, layer int, p llama.ContextParams) (*Outline, error) {
	var b llama.Batch
	for i := range p.Batch {
		b.Add(0, i, 0, i >= p.Batch-p.Outputs)
	}
	d, err := sketch(ctx, c, b)
	if err != nil {
		return nil, err
	}
	o := &Outline{}
	site := d.Sites.Layers[layer].FFN
	if o.Slice, err = graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits}); err != nil {
		return nil, err
	}
	o.ContextBytes, err = d.ContextBytes(p)
	return o, err
}

// ContextBytes is the memory that a context of sizes p takes beside programs:
// its KV cache, its rows of logits, and the buffer in which llama.cpp computes
// a batch such as this. The buffer is what ggml asks for when it lays out the
// recorded graph; llama.cpp lays out that of the largest batch it may be given.
func (d *Decode) ContextBytes(p llama.ContextParams) (int64, error) {
	var n int64
	for _, bytes := range d.caches() {
		n += bytes / int64(d.Context.Params().Cells) * int64(p.Cells)
	}
	n += int64(p.Outputs) * d.Graph.Node(d.Sites.Logits).Ne[0] * int64(graph.F32.Size())
	s, err := graph.Cut(d.Graph, nil, []graph.ID{d.Sites.Logits})
	if err != nil {
		return 0, err
	}
	program, err := d.Context.NewProgram(&s.Graph, nil)
	if err != nil {
		return 0, err
	}
	defer program.Close()
	buffer, err := program.Measure()
	return n + buffer, err
}

// caches are the sizes in bytes of the context's caches, of keys and of values in
// each layer.
func (d *Decode) caches() []int64 {
	var out []int64
	for i := range d.Graph.Nodes {
		if n := &d.Graph.Nodes[i]; n.Kind == graph.Cache && n.ViewSrc == graph.None {
			out = append(out, int64(n.Nb[3])*n.Ne[3])
		}
	}
	return out
}
