package replay

import (
	"context"

	"retcon/graph"
	"retcon/llama"
)

// castLeast is from how many rows on dequantising a weight should pay: some 1.4
// ns a value, by the rates of products, against 0.03 ns a value and row.
const castLeast = 48

// Prefill decodes a batch that asks for no logits, with products in the
// copies' type where there are some: its tokens are in the cache afterwards.
// With copies the keys and values differ from a decode's by their rounding.
func Prefill(ctx context.Context, c *llama.Context, b llama.Batch, copies *Copies) error {
	if b.Len() == 0 {
		return nil
	}
	if copies == nil {
		return c.Decode(ctx, &b)
	}
	d, err := sketched(ctx, c, b)
	if err != nil || d.rec.Computed {
		return err
	}
	// the sketch left the cache as it was: take the same cells, then fill them
	if err := c.DecodeUntil(ctx, &d.Batch, nil); err != nil {
		return err
	}
	writes := d.Graph.CacheWrites()
	if b.Len() >= castLeast {
		return d.compute(ctx, writes, copies, nil)
	}
	s, err := graph.Cut(d.Graph, nil, writes)
	if err != nil {
		return err
	}
	if err := copies.use(ctx, &s.Graph); err != nil {
		return err
	}
	return d.run(ctx, s, nil, writes, nil)
}

// sketched is a sketch that leaves the cache's other cells alone.
func sketched(ctx context.Context, c *llama.Context, b llama.Batch) (*Decode, error) {
	info := c.Model().Info()
	if err := Supported(info); err != nil {
		return nil, err
	}
	d := &Decode{Context: c, Batch: b}
	rec, err := c.Sketch(ctx, &d.Batch)
	if err != nil {
		return nil, err
	}
	return d, d.use(rec, info)
}

// compute computes nodes of a sketch by a program, and keeps the values of
// those to read as if it had been decoded.
func (d *Decode) compute(ctx context.Context, nodes []graph.ID, copies *Copies, read []graph.ID) error {
	s, err := graph.Cut(d.Graph, nil, append(append([]graph.ID(nil), nodes...), read...))
	if err != nil {
		return err
	}
	return d.computeSlice(ctx, s, nil, copies, nodes, read)
}

// computeSlice is compute with the slice and its constants at hand.
func (d *Decode) computeSlice(ctx context.Context, s *graph.Slice, known []graph.Const, copies *Copies, nodes, read []graph.ID) error {
	s, consts, err := copies.useMany(ctx, s, known...)
	if err != nil {
		return err
	}
	return d.run(ctx, s, consts, nodes, read)
}

// run is computeSlice with the weights as they are.
func (d *Decode) run(ctx context.Context, s *graph.Slice, consts []graph.Const, nodes, read []graph.ID) error {
	var outs []graph.ID
	for _, id := range nodes {
		outs = append(outs, s.To[id])
	}
	b := graph.Builder{Graph: &s.Graph}
	own := make([]graph.ID, len(read))
	for i, id := range read {
		own[i] = b.Own(s.To[id])
		outs = append(outs, own[i])
	}
	p, err := d.Context.NewProgram(&s.Graph, outs)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := d.Load(p, s); err != nil {
		return err
	}
	if err := p.SetConsts(consts); err != nil {
		return err
	}
	if err := p.Run(ctx); err != nil {
		return err
	}
	for i, id := range read {
		values := make([]float32, s.Node(own[i]).Elements())
		if err := p.Read(values, own[i]); err != nil {
			return err
		}
		d.rec.Keep(id, bytesOf(values))
	}
	return nil
}
