package graph

import (
	"errors"
	"fmt"
)

// ErrGraph is the kind of every error about a graph that cannot be worked on.
var ErrGraph = errors.New("unsupported graph")

// flow follows values through a graph in execution order, through the cache
// too: a read of the cache depends on the rows that this graph wrote before.
type flow struct {
	g *Graph
	// writers[i] lists the SET_ROWS and CPY nodes before i whose memory i reads.
	writers map[ID][]ID
}

func newFlow(g *Graph) *flow {
	f := &flow{g: g, writers: map[ID][]ID{}}
	written := map[ID][]ID{} // root of a cache -> its writers so far
	for i := range g.Nodes {
		id := ID(i)
		n := &g.Nodes[i]
		if n.Kind != Computed {
			continue
		}
		root := g.Root(id)
		if g.Nodes[root].Kind != Cache {
			continue
		}
		if n.Op == OpSetRows || n.Op == OpCpy {
			written[root] = append(written[root], id)
		} else if w := written[root]; len(w) > 0 {
			f.writers[id] = append([]ID(nil), w...)
		}
	}
	return f
}

// sources calls fn with everything that the value of id depends on directly.
func (f *flow) sources(id ID, fn func(ID)) {
	f.g.sources(id, fn)
	for _, w := range f.writers[id] {
		fn(w)
	}
}

// dependents marks what depends on any of the sites, the sites included.
func (f *flow) dependents(sites []ID) []bool {
	dep := make([]bool, len(f.g.Nodes))
	for _, s := range sites {
		dep[s] = true
	}
	for i := range f.g.Nodes {
		id := ID(i)
		f.sources(id, func(s ID) {
			// a write to the cache gives the cache's tensor as its memory:
			// only what is written, not the old content, makes it depend
			if dep[s] {
				dep[id] = true
			}
		})
	}
	return dep
}

// CacheWrites lists what g writes to the cache.
func (g *Graph) CacheWrites() []ID {
	var out []ID
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Kind == Computed && (n.Op == OpSetRows || n.Op == OpCpy) && g.Nodes[g.Root(ID(i))].Kind == Cache {
			out = append(out, ID(i))
		}
	}
	return out
}

// Dependents marks what the value of a site goes into, the site included.
func Dependents(g *Graph, site ID) []bool { return newFlow(g).dependents([]ID{site}) }

// needed marks what the values of outs depend on.
func (f *flow) needed(outs []ID) []bool {
	need := make([]bool, len(f.g.Nodes))
	for _, o := range outs {
		need[o] = true
	}
	for i := len(f.g.Nodes) - 1; i >= 0; i-- {
		if need[i] {
			f.sources(ID(i), func(s ID) { need[s] = true })
		}
	}
	return need
}

// Slice is a graph cut out of another: what lies between sites and outputs.
type Slice struct {
	Graph
	// From maps a node of the slice to the node it was in the source graph.
	From []ID
	// To maps a node of the source graph to the slice, None where it was cut.
	To []ID
	// Values lists the nodes of the slice that are inputs now and whose values
	// in the decode must be kept: the sites, what was computed above them, and
	// the decode's own inputs.
	Values []ID
}

// Cut slices g below the sites: the sites become inputs, and of the rest
// only what depends on them and is needed for outs is kept. Leaves stay
// leaves; a computed value from above becomes an input.
//
// With no sites the slice is everything that outs need.
func Cut(g *Graph, sites, outs []ID) (*Slice, error) {
	f := newFlow(g)
	keep := f.needed(outs)
	if len(sites) > 0 {
		dep := f.dependents(sites)
		for i := range keep {
			keep[i] = keep[i] && dep[i]
		}
		for _, o := range outs {
			if !keep[o] {
				return nil, fmt.Errorf("%w: output %v does not depend on the site", ErrGraph, &g.Nodes[o])
			}
		}
	}
	s := &Slice{To: make([]ID, len(g.Nodes))}
	for i := range s.To {
		s.To[i] = None
	}
	for _, site := range sites {
		s.leaf(g, site)
	}
	for i := range g.Nodes {
		if !keep[i] || s.To[i] >= 0 {
			continue
		}
		if n := g.Node(ID(i)); n.writesPart() && !g.writesOut(ID(i)) {
			return nil, fmt.Errorf("%w: %s writes over a part of a value (node %q)", ErrGraph, n.Op, n.Name)
		}
		s.take(g, ID(i))
	}
	return s, nil
}

// leaf makes node id of g an input of the slice.
func (s *Slice) leaf(g *Graph, id ID) ID {
	src := g.Nodes[id]
	n := shaped(OpNone, src.Type, src.Ne)
	n.Kind, n.Name = Input, src.Name
	return s.append(n, id, true)
}

func (s *Slice) append(n Node, from ID, value bool) ID {
	to := ID(len(s.Nodes))
	s.Nodes = append(s.Nodes, n)
	s.From = append(s.From, from)
	s.To[from] = to
	if value {
		s.Values = append(s.Values, to)
	}
	return to
}

// source brings a source of a kept node into the slice, if it is not there.
func (s *Slice) source(g *Graph, id ID) ID {
	if s.To[id] >= 0 {
		return s.To[id]
	}
	n := &g.Nodes[id]
	switch {
	case n.Kind != Computed || n.Op.moves():
		return s.take(g, id)
	default:
		return s.leaf(g, id)
	}
}

// take copies node id with its sources. An operator that wrote over its own
// first operand gets memory of its own, so that inputs survive a run; one that
// writes to the cache or to a stored tensor goes on doing so.
func (s *Slice) take(g *Graph, id ID) ID {
	n := g.Nodes[id]
	if n.Kind == Input {
		n.Handle = 0
		return s.append(n, id, true)
	}
	for i, src := range n.Src {
		if src >= 0 {
			n.Src[i] = s.source(g, src)
		}
	}
	switch {
	case n.ViewSrc < 0:
	case n.Kind == Computed && n.Op.moves():
		// a move looks at its source's memory, which may be its own now
		from := Builder{g}.offset(g.Nodes[id].Src[0])
		to := Builder{&s.Graph}
		n.ViewSrc = to.Root(n.Src[0])
		n.ViewOffs = n.ViewOffs - from + to.offset(n.Src[0])
	case n.Kind == Computed && !g.writesOut(id):
		n.ViewSrc, n.ViewOffs = None, 0
		if nb, ok := contiguousStrides(n.Type, n.Ne); ok {
			n.Nb = nb
		}
	default:
		n.ViewSrc = s.source(g, n.ViewSrc)
	}
	return s.append(n, id, false)
}

// writesOut reports whether id writes to memory that outlasts the graph.
func (g *Graph) writesOut(id ID) bool {
	kind := g.Node(g.Root(id)).Kind
	return kind == Cache || kind == Weight
}

// writesPart reports whether n leaves the rest of the memory that it writes to
// as it was: it cannot have memory of its own.
func (n *Node) writesPart() bool {
	switch n.Op {
	case OpSetRows, "SET", "ACC":
		return n.Kind == Computed && n.ViewSrc >= 0
	}
	return false
}
