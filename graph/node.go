package graph

import "fmt"

// ID is the index of a node in its graph.
type ID int32

const (
	// None is no node.
	None ID = -1
	// Self stands for the node itself where ggml lets a node name itself as a
	// source (a cast does).
	Self ID = -2
)

// MaxSrc is the number of sources that a node can have.
const MaxSrc = 10

// Kind says where a node's value comes from.
type Kind uint8

const (
	// Computed nodes are the result of their operator.
	Computed Kind = iota
	// Weight leaves belong to the model or to an adapter.
	Weight
	// Cache leaves are the keys and values of earlier tokens.
	Cache
	// Input leaves are set before the graph runs.
	Input
)

// Node is one tensor of a graph and the operator that computes it.
type Node struct {
	Kind     Kind
	Op       Op
	Type     Type
	Ne       [4]int64  // elements in each dimension
	Nb       [4]uint64 // bytes from one element to the next in each dimension
	Params   [16]int32 // parameters of the operator, as ggml packs them
	Src      [MaxSrc]ID
	ViewSrc  ID     // the tensor whose memory this one shares
	ViewOffs uint64 // bytes into ViewSrc
	Handle   uint64 // names a live tensor; 0 for what a program allocates
	Name     string // for messages only
}

// Elements is the number of elements of n.
func (n *Node) Elements() int64 { return n.Ne[0] * n.Ne[1] * n.Ne[2] * n.Ne[3] }

// Rows is the number of rows of n.
func (n *Node) Rows() int64 { return n.Ne[1] * n.Ne[2] * n.Ne[3] }

// Contiguous reports whether the elements of n lie one after the other.
func (n *Node) Contiguous() bool {
	nb, ok := contiguousStrides(n.Type, n.Ne)
	if !ok {
		// a blocked type: only whole rows one after the other count
		return n.Nb[2] == n.Nb[1]*uint64(n.Ne[1]) && n.Nb[3] == n.Nb[2]*uint64(n.Ne[2])
	}
	for i := range nb {
		if n.Ne[i] != 1 && n.Nb[i] != nb[i] {
			return false
		}
	}
	return true
}

// packedRows reports whether the elements of a row of n lie one after the other.
func (n *Node) packedRows() bool { return n.Type.Size() == 0 || n.Nb[0] == n.Type.Size() }

// SameShape reports whether n and m have the same dimensions.
func (n *Node) SameShape(m *Node) bool { return n.Ne == m.Ne }

func (n *Node) String() string {
	return fmt.Sprintf("%s %q %v", n.Op, n.Name, n.Ne)
}

// Graph is a table of nodes in execution order: a node's sources stand before
// it.
type Graph struct {
	Nodes []Node
	// AnyOrder lets a program sum its products with matrices in another order
	// than ggml does, where that is faster: equal but for rounding.
	AnyOrder bool
}

// Node is the node of an id.
func (g *Graph) Node(id ID) *Node { return &g.Nodes[id] }

// Sources calls fn with each source of id, the tensor whose memory it shares
// included.
func (g *Graph) sources(id ID, fn func(ID)) {
	n := &g.Nodes[id]
	for _, s := range n.Src {
		if s >= 0 {
			fn(s)
		}
	}
	if n.ViewSrc >= 0 {
		fn(n.ViewSrc)
	}
}

// Root follows views to the tensor that owns the memory of id.
func (g *Graph) Root(id ID) ID {
	for g.Nodes[id].ViewSrc >= 0 {
		id = g.Nodes[id].ViewSrc
	}
	return id
}

func contiguousStrides(t Type, ne [4]int64) (nb [4]uint64, ok bool) {
	size := t.Size()
	if size == 0 {
		return nb, false
	}
	nb[0] = size
	for i := 1; i < 4; i++ {
		nb[i] = nb[i-1] * uint64(ne[i-1])
	}
	return nb, true
}
