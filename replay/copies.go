package replay

import (
	"context"
	"slices"

	"retcon/graph"
	"retcon/llama"
)

// Copies keeps copies of quantised weights in a type that this machine
// multiplies faster, within a budget. A weight that has no copy is used as it
// is in the file, and so is every weight that the bridge's own kernel takes: it
// dequantises on its way, as exactly as a copy in F32.
type Copies struct {
	ctx        *llama.Context
	typ        graph.Type
	budget     int64
	full       bool // a weight did not fit: no other is copied
	bytes      int64
	of         map[uint64]weightCopy  // by the weight's handle
	order      []uint64               // of their making
	turned     map[uint64]*Transposed // a transpose each
	parent     *Copies                // whose copies these are
	only       map[uint64]bool        // weights that may be copied; nil: all
	turnedOnly bool                   // weights themselves are not copied
	except     int64                  // weights of so many rows are not copied
	aside      *Copies                // of other weights, for a while
	barred     map[uint64]bool        // weights that may not be copied
}

type weightCopy struct {
	*llama.Store
	rows    int64 // of the weight
	reverse bool  // it serves in place of a transpose
}

// NewCopies makes room for copies of type F32, F16 or BF16 of at most budget
// bytes.
func NewCopies(c *llama.Context, t graph.Type, budget int64) *Copies {
	return &Copies{ctx: c, typ: t, budget: budget, of: map[uint64]weightCopy{}, turned: map[uint64]*Transposed{}}
}

// NewTransposes is copies that are only transposed: weights multiply as they are.
func NewTransposes(c *llama.Context, t graph.Type, budget int64) *Copies {
	out := NewCopies(c, t, budget)
	out.turnedOnly = true
	return out
}

// Bytes is the memory that the copies take.
func (c *Copies) Bytes() int64 {
	if c == nil {
		return 0
	}
	return c.bytes
}

// Type is the copies' type.
func (c *Copies) Type() graph.Type {
	if c == nil {
		return graph.F32
	}
	return c.typ
}

// Restart frees all but the transposes of a slice's weights, and restricts new
// copies to these: nothing that follows depends on what was copied before.
func (c *Copies) Restart(s *graph.Slice) {
	if c == nil {
		return
	}
	c.only = map[uint64]bool{}
	for _, id := range weightsOf(&s.Graph) {
		c.only[s.Node(id).Handle] = true
	}
	for h, s := range c.of {
		if !s.reverse || !c.only[h] {
			c.free(h)
		}
	}
	c.SetBudget(0)
	for h := range c.turned {
		if !c.only[h] {
			c.freeTurned(h)
		}
	}
}

// Aside lets products of the weights that Restart leaves out use copies too, of
// type t and at most budget bytes, until DropAside: several programs that meet
// these weights before the slice's own do not dequantise them anew each time.
func (c *Copies) Aside(t graph.Type, budget int64) {
	if c == nil {
		return
	}
	c.DropAside()
	c.aside = NewCopies(c.ctx, t, budget)
	c.aside.barred = c.only
}

// DropAside frees these copies.
func (c *Copies) DropAside() {
	if c == nil {
		return
	}
	c.aside.Drop()
	c.aside = nil
}

// use lets the products of a graph use copies, making those that fit.
func (c *Copies) use(ctx context.Context, g *graph.Graph) error {
	if c == nil || c.turnedOnly {
		return nil
	}
	g.AnyOrder = true
	from := c
	if c.parent != nil {
		from = c.parent
	}
	for _, id := range weightsOf(g) {
		w := g.Node(id)
		if w.Type.Size() != 0 || w.Ne[1] == c.except || c.ctx.OwnKernel(w.Type) {
			continue // not quantised, or not worth it
		}
		of := from
		store, ok, err := of.copy(ctx, *w)
		if !ok && err == nil && of.aside != nil {
			of = of.aside
			store, ok, err = of.copy(ctx, *w)
		}
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		n := graph.Builder{Graph: &graph.Graph{}}
		leaf := *n.Node(n.Input(of.typ, w.Ne, w.Name))
		leaf.Handle = store.Handle(0)
		*w = leaf
	}
	return nil
}

// castMost is the largest weight, in elements, that a program dequantises on the
// way: its values are held twice meanwhile.
const castMost = 8 << 20

// cast is use for a program of many rows: what has no copy is dequantised in it,
// to the type that is fastest where size hardly counts, and so is what has one
// in another type. consts are own, the slice's, and what the casts need.
func (c *Copies) cast(ctx context.Context, s *graph.Slice, own ...graph.Const) (out *graph.Slice, consts []graph.Const, err error) {
	if c == nil || c.turnedOnly {
		return s, own, nil
	}
	t, _ := LayerType()
	from := c
	if c.typ != t {
		from = c.aside
	}
	s, packed := graph.PackQueries(s)
	if err := from.use(ctx, &s.Graph); err != nil {
		return nil, nil, err
	}
	out, consts, cast := graph.CastWeights(s, t, func(n *graph.Node) bool {
		return n.Type.Size() == 0 && n.Elements() <= castMost && !c.ctx.OwnKernel(n.Type)
	})
	for _, k := range own {
		k.Node = cast[packed[k.Node]]
		consts = append(consts, k)
	}
	out.AnyOrder = true
	return out, consts, nil
}

// copy is the copy of a weight, if it fits.
func (c *Copies) copy(ctx context.Context, w graph.Node) (s weightCopy, ok bool, err error) {
	if s, ok := c.of[w.Handle]; ok {
		return s, true, nil
	}
	size := w.Elements() * int64(c.typ.Size())
	if c.only != nil && !c.only[w.Handle] || c.barred[w.Handle] {
		return s, false, nil
	}
	if c.full = c.full || c.bytes+size > c.budget; c.full {
		return s, false, nil // later ones do not take its place: the copies are the first that fit
	}
	s.rows = w.Ne[1]
	if s.Store, err = c.ctx.NewStore([]llama.TensorSpec{{Type: c.typ, Ne: w.Ne}}); err != nil {
		return s, false, err
	}
	if err := c.fill(ctx, w, s.Handle(0)); err != nil {
		s.Close()
		return s, false, err
	}
	c.of[w.Handle] = s
	c.order = append(c.order, w.Handle)
	c.bytes += s.Bytes()
	return s, true, nil
}

// fill writes a weight's values to a stored tensor, a block of rows at a time.
func (c *Copies) fill(ctx context.Context, w graph.Node, dst uint64) error {
	if done, err := copyOnHost(ctx, c.ctx, w, dst, false); done || err != nil {
		return err
	}
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
		if err := runOnce(ctx, c.ctx, b.Graph, consts); err != nil {
			return err
		}
	}
	return nil
}

// hostElements bounds what is copied between two looks at the context.
const hostElements = 1 << 24

// copyOnHost copies or transposes a weight without a program, where both it and
// the copy are in the host's memory.
func copyOnHost(ctx context.Context, c *llama.Context, w graph.Node, dst uint64, transposed bool) (done bool, err error) {
	rows := max(1, hostElements/w.Ne[0])
	for r := int64(0); r < w.Ne[1]; r += rows {
		done, err = c.CopyWeight(ctx, w, dst, r, min(rows, w.Ne[1]-r), transposed)
		if !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Except is the same copies for a program in which weights of so many rows,
// such as the output matrix, meet too few values to be worth one, or a transpose.
func (c *Copies) Except(rows int) *Copies {
	if c == nil {
		return nil
	}
	return &Copies{ctx: c.ctx, parent: c, typ: c.typ, except: int64(rows)}
}

// Forget frees the copies of weights of so many rows.
func (c *Copies) Forget(rows int) {
	if c == nil {
		return
	}
	for h, s := range c.of {
		if s.rows == int64(rows) {
			c.free(h)
		}
	}
}

// free frees the copy of a weight.
func (c *Copies) free(h uint64) {
	s := c.of[h]
	c.bytes -= s.Bytes()
	s.Close()
	delete(c.of, h)
	c.order = slices.DeleteFunc(c.order, func(x uint64) bool { return x == h })
}

// Budget is how much the copies may take.
func (c *Copies) Budget() int64 {
	if c == nil {
		return 0
	}
	return c.budget
}

// SetBudget changes how much the copies may take; those that are there stay.
func (c *Copies) SetBudget(bytes int64) {
	if c != nil {
		c.budget, c.full = bytes, false
	}
}

// Fit is SetBudget that frees the copies made last until the rest fit.
func (c *Copies) Fit(bytes int64) {
	if c == nil {
		return
	}
	c.SetBudget(bytes)
	for c.bytes > bytes && len(c.order) > 0 {
		c.free(c.order[len(c.order)-1])
	}
}

// Drop frees the copies. No program that uses them may run any more.
func (c *Copies) Drop() {
	if c == nil {
		return
	}
	c.DropAside()
	for h, s := range c.of {
		s.Close()
		delete(c.of, h)
	}
	c.order, c.full = nil, false
	c.DropTransposes()
	c.bytes = 0
}
