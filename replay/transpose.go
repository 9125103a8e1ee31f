package replay

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// Transposed keeps the transposes of weights, so that the reverse product of a
// weight runs as fast as the forward one.
type Transposed struct {
	ctx    *llama.Context
	store  *llama.Store
	typ    graph.Type
	handle map[uint64]int // weight -> index in store
	shape  map[uint64][4]int64
}

// TransposeBytes is the memory that the transposes of the slice's weights
// take in a type.
func TransposeBytes(s *graph.Slice, t graph.Type) int64 {
	var n int64
	for _, id := range weightsOf(&s.Graph) {
		n += s.Node(id).Elements() * int64(t.Size())
	}
	return n
}

// weightsOf lists the matrices that a graph multiplies with, or whose rows it
// adds up.
func weightsOf(g *graph.Graph) []graph.ID {
	seen := map[graph.ID]bool{}
	var out []graph.ID
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Kind != graph.Computed || n.Op != graph.OpMulMat && n.Op != graph.OpOutProd || seen[n.Src[0]] {
			continue
		}
		if w := g.Node(n.Src[0]); w.Kind == graph.Weight && w.Ne[2] == 1 && w.Ne[3] == 1 {
			seen[n.Src[0]] = true
			out = append(out, n.Src[0])
		}
	}
	return out
}

// Transpose fills transposes of every matrix that the slice multiplies with,
// in type F32, F16 or BF16, a block of rows at a time.
func Transpose(ctx context.Context, c *llama.Context, s *graph.Slice, t graph.Type) (*Transposed, error) {
	return transpose(ctx, c, s, weightsOf(&s.Graph), t)
}

func transpose(ctx context.Context, c *llama.Context, s *graph.Slice, weights []graph.ID, t graph.Type) (*Transposed, error) {
	out := &Transposed{ctx: c, typ: t, handle: map[uint64]int{}, shape: map[uint64][4]int64{}}
	var specs []llama.TensorSpec
	for i, id := range weights {
		w := s.Node(id)
		out.handle[w.Handle] = i
		out.shape[w.Handle] = graph.Shape2(w.Ne[1], w.Ne[0])
		specs = append(specs, llama.TensorSpec{Type: t, Ne: out.shape[w.Handle]})
	}
	var err error
	if out.store, err = c.NewStore(specs); err != nil {
		return nil, err
	}
	for _, id := range weights {
		if err := out.fill(ctx, *s.Node(id)); err != nil {
			out.Close()
			return nil, err
		}
	}
	return out, nil
}

// fillElements bounds the part of a weight that is transposed at a time.
const fillElements = 1 << 20

func (t *Transposed) fill(ctx context.Context, w graph.Node) error {
	done, err := copyOnHost(ctx, t.ctx, w, t.store.Handle(t.handle[w.Handle]), true)
	if err != nil {
		return fmt.Errorf("transposing %s: %w", w.Name, err)
	}
	if done {
		return nil
	}
	rows := min(w.Ne[1], max(1, fillElements/w.Ne[0]))
	for r := int64(0); r < w.Ne[1]; r += rows {
		count := min(rows, w.Ne[1]-r)
		if err := t.fillBlock(ctx, w, r, count); err != nil {
			return fmt.Errorf("transposing %s: %w", w.Name, err)
		}
	}
	return nil
}

// fillBlock transposes rows [r, r+count) of w [k, m] to columns of the
// transpose [m, k].
func (t *Transposed) fillBlock(ctx context.Context, w graph.Node, r, count int64) error {
	b := graph.Builder{Graph: &graph.Graph{}}
	leaf := b.Leaf(w)
	var consts []graph.Const
	rows := b.WeightRows(leaf, r, count, func(v []int32, name string) graph.ID {
		id := b.Input(graph.I32, graph.Shape2(int64(len(v)), 1), name)
		consts = append(consts, graph.Const{Node: id, I32: v})
		return id
	})
	dst := t.leaf(b, w.Handle)
	n := *b.Node(dst)
	part := b.View(dst, graph.Shape2(count, n.Ne[1]), n.Nb, uint64(r)*n.Type.Size())
	b.Store(b.Cont(b.Transpose(rows)), part)
	return runOnce(ctx, t.ctx, b.Graph, consts)
}

// runOnce runs a graph that stores what it computes.
func runOnce(ctx context.Context, c *llama.Context, g *graph.Graph, consts []graph.Const) error {
	p, err := c.NewProgram(g, nil)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.SetConsts(consts); err != nil {
		return err
	}
	return p.Run(ctx)
}

func (t *Transposed) leaf(b graph.Builder, weight uint64) graph.ID {
	id := b.Input(t.typ, t.shape[weight], "transpose")
	b.Nodes[id].Handle = t.store.Handle(t.handle[weight])
	return id
}

// Use gives the kept transpose of a weight to a reverse pass.
func (t *Transposed) Use(b graph.Builder, weight graph.ID) graph.ID {
	if t == nil {
		return graph.None
	}
	h := b.Node(weight).Handle
	if _, ok := t.handle[h]; !ok {
		return graph.None
	}
	return t.leaf(b, h)
}

// Bytes is the memory that the transposes take.
func (t *Transposed) Bytes() int64 {
	if t == nil {
		return 0
	}
	return t.store.Bytes()
}

// Close frees the transposes. No program that uses them may run any more.
func (t *Transposed) Close() error {
	if t == nil {
		return nil
	}
	return t.store.Close()
}
