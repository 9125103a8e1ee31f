package replay

import (
	"context"
	"slices"

	"retcon/graph"
)

// inPlace: copies serve in place of transposes, since this machine adds up the
// rows of a matrix as fast as it multiplies with them.
func (c *Copies) inPlace() bool { return !c.turnedOnly && c.ctx.OwnKernel(c.typ) }

// TransposedBytes is what the transposes among them take, and the copies in the
// place of transposes.
func (c *Copies) TransposedBytes() int64 {
	if c == nil {
		return 0
	}
	n := int64(0)
	for _, t := range c.turned {
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
		if w := s.Node(id); !c.servesItself(*w) {
			n += w.Elements() * int64(c.typ.Size())
		}
	}
	return n
}

// Transposes keeps transposes of the weights that a slice multiplies with,
// those that fit.
func (c *Copies) Transposes(ctx context.Context, s *graph.Slice) (graph.Transposes, error) {
	return c.transposes(ctx, s)
}

// transposes keeps transposes of the weights that a slice multiplies with, those
// that fit, or copies in their place. Their types are the copies', whatever the
// weight's.
func (c *Copies) transposes(ctx context.Context, s *graph.Slice) (graph.Transposes, error) {
	if c == nil {
		return nil, nil
	}
	except := c.except
	if c.parent != nil {
		c = c.parent
	}
	for _, id := range weightsOf(&s.Graph) {
		w := *s.Node(id)
		if w.Ne[1] == except {
			continue
		}
		if c.servesItself(w) {
			continue
		}
		if c.inPlace() && w.Type.Size() == 0 {
			if err := c.keepForReverse(ctx, w); err != nil {
				return nil, err
			}
			continue
		}
		size := w.Elements() * int64(c.typ.Size())
		if c.turned[w.Handle] != nil || c.bytes+size > c.budget {
			continue
		}
		one := &graph.Slice{Graph: graph.Graph{Nodes: []graph.Node{w}}}
		t, err := transpose(ctx, c.ctx, one, []graph.ID{0}, c.typ)
		if err != nil {
			return nil, err
		}
		c.turned[w.Handle] = t
		c.bytes += t.Bytes()
	}
	c.reverseFirst(s)
	return func(b graph.Builder, weight graph.ID) graph.ID {
		w := b.Node(weight)
		if c.of[w.Handle].reverse || c.servesItself(*w) {
			return weight
		}
		return c.turned[w.Handle].Use(b, weight)
	}, nil
}

// reverseFirst puts the copies that serve a slice's gradient before the others,
// in the slice's order, as if they had been made for it: which go first when
// memory is short must not depend on what was copied for another slice.
func (c *Copies) reverseFirst(s *graph.Slice) {
	var order []uint64
	for _, id := range weightsOf(&s.Graph) {
		if h := s.Node(id).Handle; c.of[h].reverse {
			order = append(order, h)
		}
	}
	for _, h := range c.order {
		if !slices.Contains(order, h) {
			order = append(order, h)
		}
	}
	c.order = order
}

// servesItself: the weight needs no transpose, and no copy in its place.
func (c *Copies) servesItself(w graph.Node) bool {
	return !c.turnedOnly && c.ctx.OwnKernel(w.Type)
}

// keepForReverse makes a copy of a quantised weight that serves in place of its
// transpose, if it fits.
func (c *Copies) keepForReverse(ctx context.Context, w graph.Node) error {
	s, ok, err := c.copy(ctx, w)
	if ok {
		s.reverse = true
		c.of[w.Handle] = s
	}
	return err
}

// DropTransposes frees the transposes alone.
func (c *Copies) DropTransposes() {
	if c == nil {
		return
	}
	for h := range c.turned {
		c.freeTurned(h)
	}
}

func (c *Copies) freeTurned(h uint64) {
	t := c.turned[h]
	c.bytes -= t.Bytes()
	t.Close()
	delete(c.turned, h)
}
