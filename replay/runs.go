package replay

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// Run is a run of a prompt from token First on. Rows names the row that each
// of the prompt's tokens has in the base, or, in a batch without a base, the
// row of this batch whose keys and values an earlier token shares. Only
// earlier tokens need one there.
type Run struct {
	First  int
	Rows   []int32
	Tokens []int32 // in place of the prompt's, as many; nil for the prompt's
}

// Runs is a batch of runs of one prompt, computed a layer at a time by programs
// over rows that begin where each run does. Attention is of each run over its
// own tokens; nothing is read from or written to the KV cache.
type Runs struct {
	decode *Decode // sketched: its graph and inputs, no values
	whole  *Decode // of one whole run: its masks
	ragged graph.Ragged
	slices []*graph.Slice
	starts []int   // first row of each run
	source []int32 // row of the base of each row; nil without a base
	early  []graph.ID
}

// NewRuns lays out runs of a prompt. base is the number of rows of the base
// whose keys and values they share, 0 for a batch that is itself a base.
func NewRuns(ctx context.Context, c *llama.Context, tokens []int32, runs []Run, base int) (*Runs, error) {
	r := &Runs{}
	var err error
	if r.whole, err = sketch(ctx, c, wholePrompt(tokens)); err != nil {
		return nil, err
	}
	if r.decode, err = sketch(ctx, c, r.layOut(tokens, runs, base)); err != nil {
		return nil, err
	}
	if err := sameOperators(r.whole.Graph, r.decode.Graph); err != nil {
		return nil, err
	}
	return r, r.cut(ctx)
}

func wholePrompt(tokens []int32) llama.Batch {
	var b llama.Batch
	for i, t := range tokens {
		b.Add(t, i, 0, i == len(tokens)-1)
	}
	return b
}

// sketch records a decode's graph without its values, and empties the cache.
func sketch(ctx context.Context, c *llama.Context, b llama.Batch) (*Decode, error) {
	defer c.Clear()
	return sketched(ctx, c, b)
}

// keyStep is what a run's number of keys is rounded up to.
const keyStep = 16

// layOut gives rows their places.
func (r *Runs) layOut(tokens []int32, runs []Run, base int) llama.Batch {
	var b llama.Batch
	n := len(tokens)
	r.ragged = graph.Ragged{Runs: len(runs), Length: n, Padded: (n + keyStep - 1) / keyStep * keyStep, Base: base}
	for i, run := range runs {
		start := b.Len()
		r.starts = append(r.starts, start)
		for p := range n {
			own := int32(start + max(0, p-run.First))
			r.ragged.Query = append(r.ragged.Query, own)
			if p < run.First {
				r.ragged.Keys = append(r.ragged.Keys, run.Rows[p])
				continue
			}
			r.ragged.Keys = append(r.ragged.Keys, int32(base)+own)
			r.ragged.Out = append(r.ragged.Out, int32(i*n+p))
			if base > 0 {
				r.source = append(r.source, run.Rows[p])
			}
			token := tokens[p]
			if run.Tokens != nil {
				token = run.Tokens[p]
			}
			b.Add(token, p, i, p == n-1)
		}
		for range r.ragged.Padded - n {
			r.ragged.Keys = append(r.ragged.Keys, int32(base+start)) // hidden by the mask
		}
	}
	return b
}

// sameOperators holds two decodes of other sizes to one shape of graph, so that
// a node of one is the same node of the other.
func sameOperators(a, b *graph.Graph) error {
	if len(a.Nodes) != len(b.Nodes) {
		return fmt.Errorf("%w: batches of other sizes run graphs of %d and %d nodes", llama.ErrUnsupported, len(a.Nodes), len(b.Nodes))
	}
	for i := range a.Nodes {
		if a.Nodes[i].Op != b.Nodes[i].Op || a.Nodes[i].Src != b.Nodes[i].Src {
			return fmt.Errorf("%w: batches of other sizes run %v and %v", llama.ErrUnsupported, &a.Nodes[i], &b.Nodes[i])
		}
	}
	return nil
}

// Count is the number of runs, Rows that of their rows together.
func (r *Runs) Count() int { return len(r.starts) }

// Rows is the number of rows of all runs.
func (r *Runs) Rows() int { return len(r.ragged.Out) }

// Start is the first row of a run.
func (r *Runs) Start(run int) int { return r.starts[run] }

// Gather picks, for each row, the values [base rows x width] of the base's row
// that it is another version of.
func (r *Runs) Gather(values []float32, width int) []float32 {
	out := make([]float32, 0, len(r.source)*width)
	for _, row := range r.source {
		out = append(out, values[int(row)*width:][:width]...)
	}
	return out
}

// cut slices the decode into layers.
func (r *Runs) cut(ctx context.Context) error {
	sites := r.decode.Sites
	for l := range sites.Layers {
		from, to := r.ends(l)
		if from < 0 || to < 0 || sites.Layers[l].Attention < 0 {
			return fmt.Errorf("%w: layer %d has no single residual stream or no attention output", llama.ErrUnsupported, l)
		}
		s, err := graph.Cut(r.decode.Graph, []graph.ID{from}, []graph.ID{to})
		if err != nil {
			return err
		}
		r.slices = append(r.slices, s)
	}
	if n := r.decode.Graph.Node(sites.Logits); n.Ne[1] != int64(r.Count()) {
		return fmt.Errorf("%w: the decode gives %d rows of logits for the %d asked for", llama.ErrUnsupported, n.Ne[1], r.Count())
	}
	if err := r.findEarly(ctx); err != nil || len(r.early) == 0 || len(r.slices) == 1 {
		return err
	}
	from, to := r.ends(0)
	outs := []graph.ID{to}
	for _, id := range r.early {
		if id != from {
			outs = append(outs, id)
		}
	}
	var err error
	r.slices[0], err = graph.Cut(r.decode.Graph, []graph.ID{from}, outs)
	return err
}

// ends are the nodes that a layer begins and ends with.
func (r *Runs) ends(layer int) (from, to graph.ID) {
	sites := r.decode.Sites
	from, to = sites.Embedding, sites.Logits
	if layer > 0 {
		from = sites.Layers[layer-1].Residual
	}
	if layer < len(sites.Layers)-1 {
		to = sites.Layers[layer].Residual
	}
	return from, to
}

// findEarly lists what later layers read of values above them other than the
// stream: some architectures mix a form of the embedding in at every layer.
// What no embedding goes into is taken from a real decode.
func (r *Runs) findEarly(ctx context.Context) error {
	seen := map[graph.ID]bool{}
	depends := graph.Dependents(r.decode.Graph, r.decode.Sites.Embedding)
	late := graph.Dependents(r.decode.Graph, r.decode.Sites.Layers[0].Residual)
	var constant []graph.ID
	for l, s := range r.slices {
		from, _ := r.ends(l)
		for _, v := range s.Values {
			id := s.From[v]
			if id == from || seen[id] || r.decode.Graph.Node(id).Kind != graph.Computed {
				continue
			}
			seen[id] = true
			switch n := r.decode.Graph.Node(id); {
			case !depends[id]:
				constant = append(constant, id)
			case late[id] || n.Type != graph.F32 || !n.Contiguous() || n.Rows() != int64(r.Rows()):
				return fmt.Errorf("%w: layer %d reads %v of a layer above it", llama.ErrUnsupported, l, n)
			default:
				r.early = append(r.early, id)
			}
		}
	}
	defer r.decode.Context.Clear()
	return r.decode.keepNodes(ctx, constant)
}

// last is the row of a run's last token.
func (r *Runs) last(run int) int {
	if run+1 < len(r.starts) {
		return r.starts[run+1] - 1
	}
	return r.Rows() - 1
}

// Embedding computes the rows of the token embedding that the runs begin with,
// [rows x width].
func (r *Runs) Embedding(ctx context.Context) ([]float32, error) {
	site := r.decode.Sites.Embedding
	s, err := graph.Cut(r.decode.Graph, nil, []graph.ID{site})
	if err != nil {
		return nil, err
	}
	p, err := r.decode.Context.NewProgram(&s.Graph, []graph.ID{s.To[site]})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if err := r.decode.Load(p, s); err != nil {
		return nil, err
	}
	if err := p.Run(ctx); err != nil {
		return nil, err
	}
	out := make([]float32, s.Node(s.To[site]).Elements())
	return out, p.Read(out, s.To[site])
}
