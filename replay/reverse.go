package replay

import (
	"context"

	"retcon/graph"
)

// Reverse is the reverse program of a layer of [Runs] on a base: from the
// gradient of some loss after the layer to that before it and at its modules'
// outputs. Of the layer's own values it computes those again that the gradient
// needs.
type Reverse struct {
	layer *Layer
	seed  graph.ID
	grads []graph.ID // before the layer; of the FFN's output; of attention's
}

// ReverseSpec says of which layer a reverse program is.
type ReverseSpec struct {
	Layer  int
	Copies *Copies // as in [LayerSpec]; transposes, too
	// Tokens, in the last layer, are those whose logits the loss depends on. Nil
	// means all.
	Tokens []int32
}

// Reverse builds the reverse program of a layer.
func (r *Runs) Reverse(ctx context.Context, spec ReverseSpec) (*Reverse, error) {
	l := &Layer{runs: r, layer: spec.Layer, given: graph.None, logit: graph.None, prob: graph.None}
	if err := l.rewrite(LayerSpec{Layer: spec.Layer}); err != nil {
		return nil, err
	}
	v := &Reverse{layer: l}
	if err := v.differentiate(ctx, spec); err != nil {
		return nil, err
	}
	v.prune()
	if err := spec.Copies.use(ctx, &l.slice.Graph); err != nil {
		return nil, err
	}
	var err error
	if l.program, err = r.decode.Context.NewProgram(&l.slice.Graph, v.grads); err != nil {
		return nil, err
	}
	if err := l.load(); err != nil {
		l.Close()
		return nil, err
	}
	return v, nil
}

// differentiate appends the reverse part.
func (v *Reverse) differentiate(ctx context.Context, spec ReverseSpec) error {
	l := v.layer
	b := graph.Builder{Graph: &l.slice.Graph}
	seed := v.loss(b, spec.Tokens)
	known := l.runs.decode.Known(l.slice)
	values := func(id graph.ID) []int64 {
		if p, ok := l.picked[id]; ok {
			return p
		}
		return known(id)
	}
	transposes, err := spec.Copies.Transposes(ctx, l.slice)
	if err != nil {
		return err
	}
	wrt := []graph.ID{l.in, l.module[FFN], l.module[Attention]}
	g, err := graph.Gradient(&l.slice.Graph, []graph.Seed{seed}, wrt, values, transposes)
	if err != nil {
		return err
	}
	l.consts = append(l.consts, g.Consts...)
	for _, id := range wrt {
		v.grads = append(v.grads, b.Own(g.Of[id]))
	}
	return nil
}

// loss is where the gradient begins: after the layer, or, where only some
// tokens' logits count, at what the output matrix multiplies. That needs those
// tokens' rows of the matrix only, and no transpose of it.
func (v *Reverse) loss(b graph.Builder, tokens []int32) graph.Seed {
	l := v.layer
	out := *b.Node(l.out)
	if tokens == nil || !l.last() || !plainProduct(b.Graph, l.out) {
		v.seed = b.Input(graph.F32, out.Ne, "gradient")
		return graph.Seed{Node: l.out, Gradient: v.seed}
	}
	v.seed = b.Input(graph.F32, graph.Shape2(int64(len(tokens)), out.Ne[1]), "gradient")
	sum := graph.None
	for begin := 0; begin < len(tokens); begin += rowBlock {
		block := tokens[begin:min(len(tokens), begin+rowBlock)]
		idx := b.Input(graph.I32, graph.Shape2(int64(len(block)), 1), "tokens")
		l.consts = append(l.consts, graph.Const{Node: idx, I32: block})
		part := b.View(v.seed, graph.Shape2(int64(len(block)), out.Ne[1]), b.Node(v.seed).Nb, uint64(4*begin))
		p := b.OutProd(b.GetRows(out.Src[0], idx), b.Transpose(part))
		if sum < 0 {
			sum = p
		} else {
			sum = b.Add(sum, p)
		}
	}
	return graph.Seed{Node: out.Src[1], Gradient: sum}
}

// rowBlock bounds the rows of the output matrix that are unpacked at a time.
const rowBlock = 1024

// PicksTokens reports whether a reverse program of the last layer can take the
// gradient of some tokens' logits: they are a plain product with a matrix.
func (r *Runs) PicksTokens() bool { return plainProduct(r.decode.Graph, r.decode.Sites.Logits) }

func plainProduct(g *graph.Graph, id graph.ID) bool {
	out := g.Node(id)
	if out.Op != graph.OpMulMat {
		return false
	}
	w, x := g.Node(out.Src[0]), g.Node(out.Src[1])
	return w.Kind == graph.Weight && w.Ne[2] == 1 && w.Ne[3] == 1 && x.Ne[2] == 1 && x.Ne[3] == 1
}

// prune drops what no gradient needs: outputs of the layer's last products, for
// a start.
func (v *Reverse) prune() {
	l := v.layer
	slice, to := graph.Prune(l.slice, append([]graph.ID{v.seed, l.in}, v.grads...))
	l.slice = slice
	var consts []graph.Const
	for _, c := range l.consts {
		if c.Node = to[c.Node]; c.Node >= 0 {
			consts = append(consts, c)
		}
	}
	l.consts = consts
	for i, s := range l.shared {
		if s.Base >= 0 {
			l.shared[i].Base = to[s.Base]
		}
	}
	for id, at := range l.early {
		if l.early[id] = to[at]; to[at] < 0 {
			delete(l.early, id)
		}
	}
	for i, id := range v.grads {
		v.grads[i] = to[id]
	}
	v.seed, l.in, l.out = to[v.seed], to[l.in], to[l.out]
}

// Share is [Layer.Share].
func (v *Reverse) Share(s *Shares) error { return v.layer.Share(s) }

// Run computes the gradients for a stream before the layer and the gradient
// after it: before the layer and at the outputs of the FFN and of attention,
// each [rows x width], the last layer's FFN those of last tokens. What it gives
// is overwritten by the next call on any reverse program that is given the same
// into.
func (v *Reverse) Run(ctx context.Context, stream, seed []float32, into *[3][]float32) error {
	if err := v.layer.program.Set(v.seed, seed); err != nil {
		return err
	}
	if err := v.layer.Run(ctx, stream, nil); err != nil {
		return err
	}
	for i, id := range v.grads {
		n := int(v.layer.slice.Node(id).Elements())
		if cap(into[i]) < n {
			into[i] = make([]float32, n)
		}
		into[i] = into[i][:n]
		if err := v.layer.program.Read(into[i], id); err != nil {
			return err
		}
	}
	return nil
}

// Close frees the program.
func (v *Reverse) Close() error { return v.layer.Close() }
