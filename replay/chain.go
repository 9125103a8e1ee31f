package replay

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// Chain computes a loss over a slice and its gradient in bounded memory: whole
// where that fits, else in segments of layers. Between two segments only the
// values at the cut are kept; a segment's own values are computed again when
// its gradient is due.
type Chain struct {
	ctx      *llama.Context
	slice    *graph.Slice
	inputs   *llama.Store
	cross    *llama.Store // values and gradients at the cuts
	parts    []graph.Crossing
	zeros    []float32
	segments []chainSegment
	compute  int64 // bytes of compute buffer
	outputs  []graph.ID
}

type chainSegment struct {
	*graph.Segment
	forward, reverse *llama.Program
}

// ChainSpec says what a chain computes.
type ChainSpec struct {
	Slice      *graph.Slice
	Seeds      []graph.Seed // gradients of the loss, nodes of the slice
	WRT        []graph.ID   // inputs of the slice
	Outputs    []graph.ID   // F32 nodes to read, computed after the last layer
	Consts     []graph.Const
	Transposes graph.Transposes
	Copies     *Copies // of weights, for the forward products; may be nil
	// Memory bounds the chain's inputs, its compute buffer and the values at its
	// cuts, in bytes. 0 means no bound.
	Memory int64
	// Segments fixes the number of segments; 0 takes as few as fit.
	Segments int
}

// NewChain builds the programs of a chain over the decode's values.
func NewChain(ctx context.Context, d *Decode, spec ChainSpec) (*Chain, error) {
	c := &Chain{ctx: d.Context, slice: spec.Slice, outputs: spec.Outputs}
	if err := c.allocate(ctx, d, spec); err != nil {
		c.Close()
		return nil, err
	}
	cuts := d.cuts(spec.Slice)
	for n := max(spec.Segments, 1); ; n *= 2 {
		n = min(n, len(cuts)+1)
		if err := ctx.Err(); err != nil {
			c.Close()
			return nil, context.Cause(ctx)
		}
		if err := c.split(ctx, d, spec, spread(cuts, n-1)); err != nil {
			c.Close()
			return nil, err
		}
		if spec.Segments > 0 || spec.Memory <= 0 || c.Bytes()+c.inputs.Bytes() <= spec.Memory || n > len(cuts) {
			return c, nil
		}
		c.unsplit()
	}
}

// allocate gives every input of the slice a stored tensor with its value.
func (c *Chain) allocate(ctx context.Context, d *Decode, spec ChainSpec) error {
	if err := d.Keep(ctx, spec.Slice); err != nil {
		return err
	}
	var specs []llama.TensorSpec
	var ids []graph.ID
	for i := range spec.Slice.Nodes {
		if n := &spec.Slice.Nodes[i]; n.Kind == graph.Input {
			specs = append(specs, llama.TensorSpec{Type: n.Type, Ne: n.Ne})
			ids = append(ids, graph.ID(i))
		}
	}
	var err error
	if c.inputs, err = c.ctx.NewStore(specs); err != nil {
		return err
	}
	for i, id := range ids {
		spec.Slice.Nodes[id].Handle = c.inputs.Handle(i)
	}
	for _, v := range spec.Slice.Values {
		if err := c.SetBytes(v, d.Value(spec.Slice.From[v])); err != nil {
			return err
		}
	}
	return c.ctx.SetConsts(&spec.Slice.Graph, spec.Consts)
}

// cuts lists where the slice can be cut: after the residual stream of each
// layer that it holds.
func (d *Decode) cuts(s *graph.Slice) []graph.ID {
	var cuts []graph.ID
	for _, l := range d.Sites.Layers[:len(d.Sites.Layers)-1] {
		if l.Residual < 0 {
			continue
		}
		if id := s.To[l.Residual]; id >= 0 && s.Node(id).Kind == graph.Computed {
			cuts = append(cuts, id)
		}
	}
	return cuts
}

// spread picks n of the cuts, evenly.
func spread(cuts []graph.ID, n int) []graph.ID {
	var out []graph.ID
	for i := range n {
		out = append(out, cuts[(i+1)*(len(cuts)+1)/(n+1)-1])
	}
	return out
}

func (c *Chain) split(ctx context.Context, d *Decode, spec ChainSpec, cuts []graph.ID) error {
	g := &spec.Slice.Graph
	crossings, err := graph.Crossings(g, cuts)
	if err != nil {
		return err
	}
	var specs []llama.TensorSpec
	for _, x := range crossings {
		t := llama.TensorSpec{Type: graph.F32, Ne: x.Ne}
		specs = append(specs, t, t)
	}
	if c.cross, err = c.ctx.NewStore(specs); err != nil {
		return err
	}
	for i := range crossings {
		crossings[i].Value, crossings[i].Grad = c.cross.Handle(2*i), c.cross.Handle(2*i+1)
	}
	c.parts = crossings
	p, err := graph.Split(graph.Task{
		Graph: g, Seeds: spec.Seeds, WRT: spec.WRT, Values: d.Known(spec.Slice), Transposes: spec.Transposes,
	}, cuts, crossings)
	if err != nil {
		return err
	}
	for i, s := range p.Segments {
		for _, g := range []*graph.Graph{&s.Forward, &s.Reverse} {
			if err := spec.Copies.use(ctx, g); err != nil {
				return err
			}
		}
		if err := c.program(s, i == len(p.Segments)-1); err != nil {
			return err
		}
	}
	return nil
}

// program makes a segment's programs and notes the compute buffer they need.
func (c *Chain) program(s *graph.Segment, last bool) error {
	seg := chainSegment{Segment: s}
	var outs []graph.ID
	for _, g := range s.Gradients {
		outs = append(outs, g.Node)
	}
	if last {
		for _, o := range c.outputs {
			outs = append(outs, s.ReverseOf[o])
		}
	}
	var err error
	if seg.reverse, err = c.ctx.NewProgram(&s.Reverse, outs); err != nil {
		return err
	}
	c.segments = append(c.segments, seg)
	if err := seg.reverse.SetConsts(s.Consts); err != nil {
		return err
	}
	bytes, err := seg.reverse.Measure()
	if err != nil {
		return err
	}
	c.compute = max(c.compute, bytes)
	if last {
		return nil
	}
	c.segments[len(c.segments)-1].forward, err = c.ctx.NewProgram(&s.Forward, nil)
	return err
}

func (c *Chain) unsplit() {
	for _, s := range c.segments {
		s.forward.Close()
		s.reverse.Close()
	}
	c.cross.Close()
	c.segments, c.cross, c.parts, c.compute = nil, nil, nil, 0
}

// Close frees the chain.
func (c *Chain) Close() error {
	c.unsplit()
	return c.inputs.Close()
}

// Bytes is the memory that the chain takes beyond the slice's inputs: the
// compute buffer, the values at the cuts and what the programs hold.
func (c *Chain) Bytes() int64 {
	n := c.compute + c.cross.Bytes()
	for _, s := range c.segments {
		n += s.reverse.InputBytes()
		if s.forward != nil {
			n += s.forward.InputBytes()
		}
	}
	return n
}

// Segments is the number of segments.
func (c *Chain) Segments() int { return len(c.segments) }

func (c *Chain) handle(id graph.ID) uint64 { return c.slice.Node(id).Handle }

// Set sets an F32 input of the slice.
func (c *Chain) Set(id graph.ID, data []float32) error {
	return llama.WriteTensor(c.ctx, c.handle(id), 0, data)
}

// SetRow sets row i of an F32 input of the slice.
func (c *Chain) SetRow(id graph.ID, i int, row []float32) error {
	return llama.WriteTensor(c.ctx, c.handle(id), i*len(row)*4, row)
}

// SetBytes sets an input from raw bytes.
func (c *Chain) SetBytes(id graph.ID, data []byte) error {
	if int64(len(data)) == 0 {
		return fmt.Errorf("%w: the value of %v was not kept", llama.ErrInvalid, c.slice.Node(id))
	}
	return llama.WriteTensor(c.ctx, c.handle(id), 0, data)
}

// SetConsts sets inputs of the slice to known values.
func (c *Chain) SetConsts(consts []graph.Const) error {
	return c.ctx.SetConsts(&c.slice.Graph, consts)
}

// Run computes the loss and its gradient: outputs and gradients by node of the
// slice, each slice as long as its node; gradients are overwritten.
func (c *Chain) Run(ctx context.Context, outputs, gradients map[graph.ID][]float32) error {
	if err := c.clear(); err != nil {
		return err
	}
	for _, g := range gradients {
		clear(g)
	}
	last := len(c.segments) - 1
	for _, s := range c.segments[:last] {
		if err := s.forward.Run(ctx); err != nil {
			return err
		}
	}
	for i := last; i >= 0; i-- {
		s := c.segments[i]
		if err := s.reverse.Run(ctx); err != nil {
			return err
		}
		if i == last {
			for id, dst := range outputs {
				if err := s.reverse.Read(dst, s.ReverseOf[id]); err != nil {
					return err
				}
			}
		}
		if err := s.gradients(gradients); err != nil {
			return err
		}
	}
	return nil
}

// gradients adds the segment's part of each gradient.
func (s *chainSegment) gradients(into map[graph.ID][]float32) error {
	for _, g := range s.Gradients {
		dst := into[g.Of]
		if dst == nil {
			continue
		}
		part := make([]float32, len(dst))
		if err := s.reverse.Read(part, g.Node); err != nil {
			return err
		}
		for i, v := range part {
			dst[i] += v
		}
	}
	return nil
}

// clear sets the gradients at the cuts to zero.
func (c *Chain) clear() error {
	for _, x := range c.parts {
		n := int(x.Ne[0] * x.Ne[1] * x.Ne[2] * x.Ne[3])
		if len(c.zeros) < n {
			c.zeros = make([]float32, n)
		}
		if err := llama.WriteTensor(c.ctx, x.Grad, 0, c.zeros[:n]); err != nil {
			return err
		}
	}
	return nil
}
