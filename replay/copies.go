package replay

import (
	"context"
	"fmt"
	"slices"

	"retcon/graph"
	"retcon/llama"
)

// Copies keeps copies of weights, as its policy says, within a budget. A weight
// that has none is used as it is in the file. nil has no copies, ever.
type Copies struct {
	*stock
	policy Policy
	except int64 // weights of so many rows are used as they are
}

// stock is what is kept, and how much may be.
type stock struct {
	ctx        *llama.Context
	budget     int64
	bytes      int64
	full       bool                   // a weight did not fit: no other is copied
	of         map[uint64]weightCopy  // by the weight's handle
	order      []uint64               // of their making
	transposes map[uint64]*Transposed // a transpose each
	scope      scope
	aside      *Copies // of the weights out of scope, for a while
}

type weightCopy struct {
	*llama.Store
	rows    int64 // of the weight
	reverse bool  // it serves in place of a transpose
}

// scope says which weights, by handle, may have copies: those of a slice, those
// of none, or, for nil, all.
type scope func(weight uint64) bool

func (s scope) has(weight uint64) bool { return s == nil || s(weight) }

// NewCopies makes room for copies of at most budget bytes. What the bridge's own
// kernel takes is the context's to say.
func NewCopies(c *llama.Context, p Policy, budget int64) *Copies {
	p.Own = c.OwnTypes()
	return &Copies{policy: p, stock: &stock{ctx: c, budget: budget, of: map[uint64]weightCopy{}, transposes: map[uint64]*Transposed{}}}
}

// Policy says which weights have copies; that of nil is the zero Policy.
func (c *Copies) Policy() Policy {
	if c == nil {
		return Policy{}
	}
	return c.policy
}

func (c *Copies) String() string {
	if c == nil {
		return Policy{}.String()
	}
	return fmt.Sprintf("%v; %d of at most %d bytes, %d of them for gradients", c.policy, c.bytes, c.budget, c.TransposedBytes())
}

// Bytes is the memory that the copies take.
func (c *Copies) Bytes() int64 {
	if c == nil {
		return 0
	}
	return c.bytes
}

// Except is the same copies for a program in which weights of so many rows,
// such as the output matrix, meet too few values to be worth one, or a transpose.
func (c *Copies) Except(rows int) *Copies {
	if c == nil {
		return nil
	}
	return &Copies{stock: c.stock, policy: c.policy, except: int64(rows)}
}

// copy is the copy of a weight, if it fits.
func (c *Copies) copy(ctx context.Context, w graph.Node) (s weightCopy, ok bool, err error) {
	if s, ok := c.of[w.Handle]; ok {
		return s, true, nil
	}
	if !c.scope.has(w.Handle) {
		return s, false, nil
	}
	if c.full = c.full || c.bytes+c.size(w) > c.budget; c.full {
		return s, false, nil // later ones do not take its place: the copies are the first that fit
	}
	s.rows = w.Ne[1]
	if s.Store, err = c.ctx.NewStore([]llama.TensorSpec{{Type: c.policy.Copy, Ne: w.Ne}}); err != nil {
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

// size is what a copy of a weight takes.
func (c *Copies) size(w graph.Node) int64 { return w.Elements() * int64(c.policy.Copy.Size()) }

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
		to := b.Input(c.policy.Copy, w.Ne, "copy")
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

// free frees the copy of a weight.
func (s *stock) free(h uint64) {
	of := s.of[h]
	s.bytes -= of.Bytes()
	of.Close()
	delete(s.of, h)
	s.order = slices.DeleteFunc(s.order, func(x uint64) bool { return x == h })
}

func (s *stock) freeTurned(h uint64) {
	t := s.transposes[h]
	s.bytes -= t.Bytes()
	t.Close()
	delete(s.transposes, h)
}
