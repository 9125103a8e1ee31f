package replay

import (
	"context"

	"retcon/graph"
)

// use lets the products of a graph use copies, making those that fit.
func (c *Copies) use(ctx context.Context, g *graph.Graph) error {
	if c == nil || !c.policy.Products {
		return nil
	}
	g.AnyOrder = true
	for _, id := range weightsOf(g) {
		w := g.Node(id)
		if w.Ne[1] == c.except || c.policy.Use(w.Type).Product != Copied {
			continue
		}
		of := c
		store, ok, err := of.copy(ctx, *w)
		if !ok && err == nil && c.aside != nil {
			of = c.aside
			store, ok, err = of.copy(ctx, *w)
		}
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		n := graph.Builder{Graph: &graph.Graph{}}
		leaf := *n.Node(n.Input(of.policy.Copy, w.Ne, w.Name))
		leaf.Handle = store.Handle(0)
		*w = leaf
	}
	return nil
}

// castMost is the largest weight, in elements, that a program dequantises on the
// way: its values are held twice meanwhile.
const castMost = 8 << 20

// useMany is use for a program of many rows: what has no copy is dequantised in
// it, and so is what has one in another type than that for many rows. consts are
// own, the slice's, and what that needs.
func (c *Copies) useMany(ctx context.Context, s *graph.Slice, own ...graph.Const) (out *graph.Slice, consts []graph.Const, err error) {
	if c == nil || !c.policy.Products {
		return s, own, nil
	}
	from := c
	if c.policy.Copy != c.policy.Many {
		from = c.aside
	}
	s, packed := graph.PackQueries(s)
	if err := from.use(ctx, &s.Graph); err != nil {
		return nil, nil, err
	}
	out, consts, cast := graph.CastWeights(s, c.policy.Many, func(n *graph.Node) bool {
		return c.policy.Use(n.Type).Many == Dequantised && n.Elements() <= castMost
	})
	for _, k := range own {
		k.Node = cast[packed[k.Node]]
		consts = append(consts, k)
	}
	out.AnyOrder = true
	return out, consts, nil
}

// Transposes keeps transposes of the weights that a slice multiplies with, those
// that fit, or copies in their place. Their types are the copies', whatever the
// weight's.
func (c *Copies) Transposes(ctx context.Context, s *graph.Slice) (graph.Transposes, error) {
	if c == nil {
		return nil, nil
	}
	for _, id := range weightsOf(&s.Graph) {
		w := *s.Node(id)
		if w.Ne[1] == c.except {
			continue
		}
		var err error
		switch c.policy.Use(w.Type).Gradient {
		case Copied:
			err = c.copyForReverse(ctx, w)
		case InTranspose:
			err = c.transpose(ctx, w)
		}
		if err != nil {
			return nil, err
		}
	}
	c.reverseFirst(s)
	return func(b graph.Builder, weight graph.ID) graph.ID {
		w := b.Node(weight)
		if c.of[w.Handle].reverse || c.policy.Use(w.Type).Gradient == AsIs {
			return weight
		}
		return c.transposes[w.Handle].Use(b, weight)
	}, nil
}

// transpose keeps the transpose of a weight, if it fits.
func (c *Copies) transpose(ctx context.Context, w graph.Node) error {
	if c.transposes[w.Handle] != nil || c.bytes+c.size(w) > c.budget {
		return nil
	}
	one := &graph.Slice{Graph: graph.Graph{Nodes: []graph.Node{w}}}
	t, err := transpose(ctx, c.ctx, one, []graph.ID{0}, c.policy.Copy)
	if err != nil {
		return err
	}
	c.transposes[w.Handle] = t
	c.bytes += t.Bytes()
	return nil
}

// copyForReverse makes a copy of a quantised weight that serves in place of its
// transpose, if it fits.
func (c *Copies) copyForReverse(ctx context.Context, w graph.Node) error {
	s, ok, err := c.copy(ctx, w)
	if ok {
		s.reverse = true
		c.of[w.Handle] = s
	}
	return err
}

// reverseFirst puts the copies that serve a slice's gradient before the others,
// in the slice's order, as if they had been made for it: which go first when
// memory is short must not depend on what was copied for another slice.
func (c *Copies) reverseFirst(s *graph.Slice) {
	var order []uint64
	first := map[uint64]bool{}
	for _, id := range weightsOf(&s.Graph) {
		if h := s.Node(id).Handle; c.of[h].reverse {
			order = append(order, h)
			first[h] = true
		}
	}
	for _, h := range c.order {
		if !first[h] {
			order = append(order, h)
		}
	}
	c.order = order
}

// TransposedBytes is what the transposes among them take, and the copies in the
// place of transposes.
func (c *Copies) TransposedBytes() int64 {
	if c == nil {
		return 0
	}
	n := int64(0)
	for _, t := range c.transposes {
		n += t.Bytes()
	}
	for _, s := range c.of {
		if s.reverse {
			n += s.Bytes()
		}
	}
	return n
}

// ReverseBytes is what the transposes of a slice's weights take, and the copies in
// the place of transposes, if there is room for all.
func (c *Copies) ReverseBytes(s *graph.Slice) int64 {
	if c == nil {
		return 0
	}
	n := int64(0)
	for _, id := range weightsOf(&s.Graph) {
		if w := *s.Node(id); c.policy.Use(w.Type).Gradient != AsIs {
			n += c.size(w)
		}
	}
	return n
}
