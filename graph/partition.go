package graph

import (
	"fmt"
	"slices"
)

// Segment is a part of a graph between two cuts, as programs of its own.
//
// Forward, empty for the last, computes the segment and stores what later
// segments read. Reverse
// computes it again, then the derivative of the loss with respect to what the
// segment reads of earlier ones, and adds that to their stored gradients. Only
// one segment's values are in memory at a time; between segments lie the
// values at the cuts, which are the residual stream and little else.
type Segment struct {
	Forward Graph
	Reverse Graph
	// ForwardOf and ReverseOf map nodes of the whole graph to the segment's
	// programs; None where they are not in it.
	ForwardOf, ReverseOf []ID
	Consts               []Const // known inputs of Reverse
	Reads                []ID    // crossings that the segment reads
	Stores               []ID    // crossings that it computes
	Gradients            []SegmentGradient
}

// Crossing is a value that one segment computes and later ones read, with the
// live tensors that hold it and its gradient. It is F32 and contiguous.
type Crossing struct {
	Node  ID
	Ne    [4]int64
	Value uint64
	Grad  uint64
}

// Partition is a graph in segments.
type Partition struct {
	Segments  []*Segment
	Crossings []Crossing
}

// Crossings lists the values that cross the cuts of g. A cut lies after the
// node that it names; the cuts ascend. Handles are left to the caller.
func Crossings(g *Graph, cuts []ID) ([]Crossing, error) {
	part := parts(g, cuts)
	f := newFlow(g)
	crosses := map[ID]bool{}
	for i := range g.Nodes {
		id := ID(i)
		if g.Nodes[i].Kind != Computed {
			continue
		}
		for _, w := range f.writers[id] {
			if part[w] != part[id] {
				return nil, fmt.Errorf("%w: a cut parts the cache rows of %q from their reader", ErrGraph, g.Nodes[w].Name)
			}
		}
		for _, s := range g.Nodes[i].Src {
			if s < 0 {
				continue
			}
			if s = g.value(s); g.Nodes[s].Kind == Computed && part[s] != part[id] {
				crosses[s] = true
			}
		}
	}
	var out []Crossing
	for id := range crosses {
		n := g.Node(id)
		if n.Type != F32 || !n.Contiguous() {
			return nil, fmt.Errorf("%w: %v crosses a cut", ErrGraph, n)
		}
		out = append(out, Crossing{Node: id, Ne: n.Ne})
	}
	slices.SortFunc(out, func(a, b Crossing) int { return int(a.Node - b.Node) })
	return out, nil
}

// value follows moves back to the node that computed what they look at.
func (g *Graph) value(id ID) ID {
	for g.Nodes[id].Kind == Computed && g.Nodes[id].Op.moves() {
		id = g.Nodes[id].Src[0]
	}
	return id
}

// parts gives the number of the segment of each node.
func parts(g *Graph, cuts []ID) []int {
	part := make([]int, len(g.Nodes))
	at := 0
	for i := range g.Nodes {
		for at < len(cuts) && ID(i) > cuts[at] {
			at++
		}
		part[i] = at
	}
	return part
}

// Task is what a partition computes: the gradient of a loss.
type Task struct {
	Graph      *Graph
	Seeds      []Seed // in the last segment; their gradients may be nodes of the graph
	WRT        []ID   // leaves of the graph
	Values     Values
	Transposes Transposes
}

// Split builds the segments of a task. Every input of the graph must have a
// handle, and so must the crossings.
func Split(t Task, cuts []ID, crossings []Crossing) (*Partition, error) {
	p := &Partition{Crossings: crossings}
	part := parts(t.Graph, cuts)
	for n := range len(cuts) + 1 {
		b := &segmentBuilder{task: t, part: part, number: n, crossing: map[ID]*Crossing{}}
		for i := range crossings {
			b.crossing[crossings[i].Node] = &crossings[i]
		}
		s, err := b.build(n == len(cuts))
		if err != nil {
			return nil, err
		}
		p.Segments = append(p.Segments, s)
	}
	return p, nil
}

// segmentBuilder builds one segment.
type segmentBuilder struct {
	task     Task
	part     []int
	number   int
	crossing map[ID]*Crossing

	out   *Graph
	to    []ID
	from  []ID
	reads []ID // crossings read, in order of first use
}

func (b *segmentBuilder) build(last bool) (*Segment, error) {
	s := &Segment{}
	if !last {
		b.copyNodes(&s.Forward)
		s.ForwardOf = b.to
		w := Builder{b.out}
		for _, c := range b.stored() {
			w.Store(b.to[c.Node], w.live(c.Ne, c.Value, "crossing"))
		}
	}
	b.copyNodes(&s.Reverse)
	s.ReverseOf, s.Reads = b.to, b.reads
	for _, c := range b.stored() {
		s.Stores = append(s.Stores, c.Node)
	}
	return s, b.reverse(s, last)
}

// stored lists the crossings that this segment computes.
func (b *segmentBuilder) stored() []*Crossing {
	var out []*Crossing
	for id, c := range b.crossing {
		if b.part[id] == b.number {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(x, y *Crossing) int { return int(x.Node - y.Node) })
	return out
}

// live is a leaf for a stored F32 tensor.
func (b Builder) live(ne [4]int64, handle uint64, name string) ID {
	id := b.Input(F32, ne, name)
	b.Nodes[id].Handle = handle
	return id
}

// copyNodes copies the segment's forward nodes to g.
func (b *segmentBuilder) copyNodes(g *Graph) {
	b.out, b.reads, b.from = g, nil, nil
	b.to = make([]ID, len(b.task.Graph.Nodes))
	for i := range b.to {
		b.to[i] = None
	}
	for i := range b.task.Graph.Nodes {
		if b.part[i] == b.number && b.task.Graph.Nodes[i].Kind == Computed {
			b.node(ID(i))
		}
	}
}

func (b *segmentBuilder) push(n Node, id ID) ID {
	b.to[id] = Builder{b.out}.push(n)
	for len(b.from) < len(b.out.Nodes) {
		b.from = append(b.from, None)
	}
	b.from[b.to[id]] = id
	return b.to[id]
}

// node brings node id of the whole graph into the segment.
func (b *segmentBuilder) node(id ID) ID {
	if b.to[id] >= 0 {
		return b.to[id]
	}
	n := b.task.Graph.Nodes[id]
	if n.Kind == Computed && b.part[id] != b.number && !n.Op.moves() {
		c := b.crossing[id]
		b.reads = append(b.reads, id)
		leaf := shaped(OpNone, F32, c.Ne)
		leaf.Kind, leaf.Handle, leaf.Name = Input, c.Value, n.Name
		return b.push(leaf, id)
	}
	for i, s := range n.Src {
		if s >= 0 {
			n.Src[i] = b.node(s)
		}
	}
	if n.ViewSrc >= 0 {
		n.ViewSrc = b.node(n.ViewSrc)
	}
	return b.push(n, id)
}

// reverse appends the derivative and hands it to earlier segments.
func (b *segmentBuilder) reverse(s *Segment, last bool) error {
	w := Builder{b.out}
	var seeds []Seed
	if last {
		for _, seed := range b.task.Seeds {
			seeds = append(seeds, Seed{b.to[seed.Node], b.node(seed.Gradient)}) // may be a leaf that no node reads
		}
	}
	for _, c := range b.stored() {
		seeds = append(seeds, Seed{b.to[c.Node], w.live(c.Ne, c.Grad, "gradient")})
	}
	var wrt []ID
	for _, id := range b.task.WRT {
		if b.to[id] >= 0 {
			wrt = append(wrt, b.to[id])
		}
	}
	for _, id := range b.reads {
		wrt = append(wrt, b.to[id])
	}
	from := b.from
	values := func(id ID) []int64 {
		if int(id) >= len(from) || from[id] < 0 {
			return nil
		}
		return b.task.Values(from[id])
	}
	g, err := Gradient(b.out, seeds, wrt, values, b.task.Transposes)
	if err != nil {
		return err
	}
	s.Consts = g.Consts
	for _, id := range b.reads {
		if grad := g.Of[b.to[id]]; grad >= 0 {
			c := b.crossing[id]
			sum := w.live(c.Ne, c.Grad, "gradient")
			w.Store(w.Add(sum, grad), sum)
		}
	}
	for _, id := range b.task.WRT {
		if b.to[id] >= 0 && g.Of[b.to[id]] >= 0 {
			s.Gradients = append(s.Gradients, SegmentGradient{Of: id, Node: w.Own(g.Of[b.to[id]])})
		}
	}
	return nil
}

// SegmentGradient is the node of a segment's Reverse that holds its part of
// the gradient of a leaf of the whole graph. Parts of several segments add up.
type SegmentGradient struct {
	Of, Node ID
}
