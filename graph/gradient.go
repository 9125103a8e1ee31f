package graph

import (
	"fmt"
	"math"
)

// Const is an input whose value is known when the graph is built.
type Const struct {
	Node ID
	I32  []int32
	I64  []int64
	F32  []float32
}

// Transposes gives the transpose of a weight [k, m] as a leaf [m, k] in b, the
// weight itself where its rows are to be added up (OUT_PROD), or None where the
// product must transpose it on the way.
type Transposes func(b Builder, weight ID) ID

// Seed is the gradient of the loss at a node: a node of the same shape.
type Seed struct {
	Node, Gradient ID
}

// Gradients is the reverse part of a graph.
type Gradients struct {
	// Of holds, for each node asked for, the gradient of the loss there; None
	// where the loss does not depend on it.
	Of map[ID]ID
	// Consts are the inputs that the reverse part needs.
	Consts []Const
}

// Values reads the known value of an I32 or I64 input of a graph; nil where it
// is not known. The reverse rules need row indices.
type Values func(id ID) []int64

// Gradient appends to g the derivative of a loss with the given seeds with
// respect to the nodes wrt. Only nodes between the two get one. The rules are
// written in standard operators, so that the graph runs wherever llama.cpp
// does.
//
// An operator without a rule is an error that names it, before anything is
// computed.
func Gradient(g *Graph, seeds []Seed, wrt []ID, values Values, transposes Transposes) (*Gradients, error) {
	b := &gradient{
		Builder: Builder{g}, flow: newFlow(g), values: values, transposes: transposes,
		sum: map[ID]ID{}, zero: map[int64]ID{},
	}
	forward := len(g.Nodes)
	b.active = b.flow.dependents(wrt)
	targets := make([]ID, len(seeds))
	for i, s := range seeds {
		targets[i] = s.Node
		b.accumulate(s.Node, s.Gradient)
	}
	need := b.flow.needed(targets)
	wanted := map[ID]bool{}
	for _, id := range wrt {
		wanted[id] = true
	}
	for i := forward - 1; i >= 0; i-- {
		id := ID(i)
		if !need[i] || !b.active[i] || !b.has(id) || b.Nodes[i].Kind != Computed {
			continue
		}
		if wanted[id] && !b.readsActive(id) {
			continue
		}
		if err := b.reverse(id); err != nil {
			return nil, err
		}
	}
	out := &Gradients{Of: map[ID]ID{}, Consts: b.Consts}
	for _, id := range wrt {
		out.Of[id] = None
		if b.has(id) {
			out.Of[id] = b.sum[id]
		}
	}
	return out, nil
}

// gradient is the state of one reverse pass.
type gradient struct {
	Builder
	flow       *flow
	values     Values
	transposes Transposes
	active     []bool       // depends on what the derivative is taken of
	sum        map[ID]ID    // gradient gathered so far
	zero       map[int64]ID // rows of zeros by width
	Consts     []Const
}

func (b *gradient) has(id ID) bool { _, ok := b.sum[id]; return ok }

// wants reports whether a source carries gradient.
func (b *gradient) wants(id ID) bool { return id >= 0 && int(id) < len(b.active) && b.active[id] }

func (b *gradient) readsActive(id ID) bool {
	found := false
	b.flow.sources(id, func(s ID) { found = found || b.wants(s) })
	return found
}

// accumulate adds g to the gradient of id. g is never written to again, so
// several nodes may share it.
func (b *gradient) accumulate(id, g ID) {
	if old, ok := b.sum[id]; ok {
		g = b.Add(b.Cont(old), g)
	}
	b.sum[id] = g
}

// constant appends an I32 input with a known value.
func (b *gradient) constant(v []int32, name string) ID {
	id := b.Input(I32, Shape2(int64(len(v)), 1), name)
	b.Consts = append(b.Consts, Const{Node: id, I32: v})
	return id
}

// zeroRow is an input [w, 1] of zeros.
func (b *gradient) zeroRow(w int64) ID {
	if id, ok := b.zero[w]; ok {
		return id
	}
	id := b.Input(F32, Shape2(w, 1), "zeros")
	b.Consts = append(b.Consts, Const{Node: id, F32: make([]float32, w)})
	b.zero[w] = id
	return id
}

// reverse hands the gradient of id on to its sources.
func (b *gradient) reverse(id ID) error {
	n := b.Nodes[id]
	rule, ok := rules[n.Op]
	if !ok {
		return fmt.Errorf("%w: no reverse rule for operator %s (node %q)", ErrGraph, n.Op, n.Name)
	}
	return rule(b, id, n, b.sum[id])
}

// param is a float parameter of an operator.
func (n *Node) param(i int) float32 { return math.Float32frombits(uint32(n.Params[i])) }

// reduce sums g over the dimensions along which a tensor of shape ne was
// repeated: "red" of the rules.
func (b *gradient) reduce(g ID, ne [4]int64) ID {
	for d := range ne {
		have := b.Node(g).Ne
		if have[d] == ne[d] {
			continue
		}
		r := have[d] / ne[d]
		// [lower dims x n, r, rest]: the index repeats modulo n, so r is the
		// outer part of the dimension
		lower, upper := ne[d], int64(1)
		for i := range d {
			lower *= have[i]
		}
		for i := d + 1; i < 4; i++ {
			upper *= have[i]
		}
		x := b.Reshape(g, [4]int64{lower, r, upper, 1})
		x = b.SumRows(b.Cont(b.Permute(x, [4]int{1, 0, 2, 3}))) // [1, lower, upper]
		out := have
		out[d] = ne[d]
		g = b.Reshape(x, out)
	}
	return g
}

// repeat is x repeated to the shape of like.
func (b *gradient) repeat(x, like ID) ID {
	if b.Node(x).SameShape(b.Node(like)) {
		return x
	}
	return b.push(shaped(OpRepeat, F32, b.Node(like).Ne, x))
}
