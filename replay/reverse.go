package replay

import (
	"context"

	"retcon/graph"
)

// Reverse is the reverse program of a layer of [Runs] on a base: from the
// gradient of some loss behind the layer to that before it and at its modules'
// outputs. It computes the layer's values again.
type Reverse struct {
	layer *Layer
	seed  graph.ID
	grads []graph.ID // before the layer; of the FFN's output; of attention's
}

// Reverse builds the reverse program of a layer.
func (r *Runs) Reverse(ctx context.Context, layer int, copies *Copies) (*Reverse, error) {
	l := &Layer{runs: r, layer: layer, given: graph.None, logit: graph.None, prob: graph.None}
	if err := l.rewrite(LayerSpec{Layer: layer}); err != nil {
		return nil, err
	}
	v := &Reverse{layer: l}
	if err := v.differentiate(ctx, copies); err != nil {
		return nil, err
	}
	if err := copies.use(ctx, &l.slice.Graph); err != nil {
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
func (v *Reverse) differentiate(ctx context.Context, copies *Copies) error {
	l := v.layer
	b := graph.Builder{Graph: &l.slice.Graph}
	v.seed = b.Input(graph.F32, b.Node(l.out).Ne, "gradient")
	known := l.runs.decode.Known(l.slice)
	values := func(id graph.ID) []int64 {
		if p, ok := l.picked[id]; ok {
			return p
		}
		return known(id)
	}
	transposes, err := copies.transposes(ctx, l.slice)
	if err != nil {
		return err
	}
	wrt := []graph.ID{l.in, l.module[FFN], l.module[Attention]}
	g, err := graph.Gradient(&l.slice.Graph, []graph.Seed{{Node: l.out, Gradient: v.seed}}, wrt, values, transposes)
	if err != nil {
		return err
	}
	l.consts = append(l.consts, g.Consts...)
	for _, id := range wrt {
		v.grads = append(v.grads, b.Own(g.Of[id]))
	}
	return nil
}

// Share is [Layer.Share].
func (v *Reverse) Share(s *Shares) error { return v.layer.Share(s) }

// Run computes the gradients for a stream before the layer and the gradient
// behind it: before the layer and at the outputs of the FFN and of attention,
// each [rows x width], the last layer's FFN those of last tokens.
func (v *Reverse) Run(ctx context.Context, stream, seed []float32) (before, ffn, attn []float32, err error) {
	if err := v.layer.program.Set(v.seed, seed); err != nil {
		return nil, nil, nil, err
	}
	if err := v.layer.Run(ctx, stream, nil); err != nil {
		return nil, nil, nil, err
	}
	var out [3][]float32
	for i, id := range v.grads {
		if out[i], err = v.layer.read(id); err != nil {
			return nil, nil, nil, err
		}
	}
	return out[0], out[1], out[2], nil
}

// Close frees the program.
func (v *Reverse) Close() error { return v.layer.Close() }
