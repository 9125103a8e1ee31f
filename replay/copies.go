package replay

import (
	"context"

	"retcon/graph"
	"retcon/llama"
)

// Copies keeps copies of quantised weights in a type that this machine
// multiplies faster, within a budget. A weight that has no copy is used as it
// is in the file.
type Copies struct {
	ctx    *llama.Context
	typ    graph.Type
	budget int64
	bytes  int64
	of     map[uint64]*llama.Store // by the weight's handle
}

// NewCopies makes room for copies of type F32, F16 or BF16 of at most budget
// bytes.
func NewCopies(c *llama.Context, t graph.Type, budget int64) *Copies {
	return &Copies{ctx: c, typ: t, budget: budget, of: map[uint64]*llama.Store{}}
}

// use lets the products of a slice use copies, making those that fit.
func (c *Copies) use(ctx context.Context, s *graph.Slice) error {
	if c == nil {
		return nil
	}
	for _, id := range weightsOf(s) {
		w := s.Node(id)
		if w.Type.Size() != 0 {
			continue // not quantised
		}
		store, err := c.copy(ctx, *w)
		if err != nil {
			return err
		}
		if store == nil {
			continue
		}
		n := graph.Builder{Graph: &graph.Graph{}}
		leaf := *n.Node(n.Input(c.typ, w.Ne, w.Name))
		leaf.Handle = store.Handle(0)
		*w = leaf
	}
	return nil
}

// copy is the copy of a weight; nil where it does not fit.
func (c *Copies) copy(ctx context.Context, w graph.Node) (*llama.Store, error) {
	if s, ok := c.of[w.Handle]; ok {
		return s, nil
	}
	size := w.Elements() * int64(c.typ.Size())
	if c.bytes+size > c.budget {
		return nil, nil
	}
	s, err := c.ctx.NewStore([]llama.TensorSpec{{Type: c.typ, Ne: w.Ne}})
	if err != nil {
		return nil, err
	}
	if err := c.fill(ctx, w, s.Handle(0)); err != nil {
		s.Close()
		return nil, err
	}
	c.of[w.Handle] = s
	c.bytes += s.Bytes()
	return s, nil
}

// fill writes a weight's values to a stored tensor, a block of rows at a time.
func (c *Copies) fill(ctx context.Context, w graph.Node, dst uint64) error {
	rows := min(w.Ne[1], max(1, fillElements/w.Ne[0]))
	for r := int64(0); r < w.Ne[1]; r += rows {
		count := min(rows, w.Ne[1]-r)
		b := graph.Builder{Graph: &graph.Graph{}}
		var consts []graph.Const
		values := b.WeightRows(b.Leaf(w), r, count, func(v []int32, name string) graph.ID {
			id := b.Input(graph.I32, graph.Shape2(int64(len(v)), 1), name)
			consts = append(consts, graph.Const{Node: id, I32: v})
			return id
		})
		to := b.Input(c.typ, w.Ne, "copy")
		b.Nodes[to].Handle = dst
		n := *b.Node(to)
		b.Store(values, b.View(to, graph.Shape2(n.Ne[0], count), n.Nb, uint64(r)*n.Nb[1]))
		if err := c.runOnce(ctx, b.Graph, consts); err != nil {
			return err
		}
	}
	return nil
}

func (c *Copies) runOnce(ctx context.Context, g *graph.Graph, consts []graph.Const) error {
	p, err := c.ctx.NewProgram(g, nil)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.SetConsts(consts); err != nil {
		return err
	}
	return p.Run(ctx)
}

// Bytes is the memory that the copies take.
func (c *Copies) Bytes() int64 {
	if c == nil {
		return 0
	}
	return c.bytes
}

// Drop frees the copies. No program that uses them may run any more.
func (c *Copies) Drop() {
	if c == nil {
		return
	}
	for h, s := range c.of {
		s.Close()
		delete(c.of, h)
	}
	c.bytes = 0
}
