package graph

import (
	"fmt"
	"strings"
)

// Affine is how a feed-forward network comes from its input to the argument of
// its activation: Scale (W x + Bias).
type Affine struct {
	Weight ID // leaf W
	Bias   ID // leaf, None where there is none
	Scale  ID // leaf of one element, None where there is none
}

// Network is the feed-forward network of a layer, taken apart.
type Network struct {
	Query ID // its input, which Gate and Up multiply, [n_embd, rows]
	// Act is the activation, of the gate where there is one, of Up where not:
	// RELU, GELU, GELU_QUICK, GELU_ERF or SILU, squared if Squared.
	Act     Op
	Squared bool
	Gated   bool
	// Fused reports that one tensor holds both, the gate in its first half;
	// Gate and Up are then the same.
	Fused    bool
	Gate, Up Affine
	Key      ID // what ffn_down multiplies
}

// gatedActs are the activations of the gated operators.
var gatedActs = map[Op]Op{OpReglu: OpRelu, OpGeglu: OpGelu, OpSwiglu: OpSilu, OpGegluErf: OpGeluErf, OpGegluQuick: OpGeluQuick}

// FindNetwork takes a layer's network apart: from the key of its
// down-projection back to the input. An operator that has no place there is
// named.
func FindNetwork(g *Graph, s *Sites, layer int) (*Network, error) {
	n := &Network{Key: s.Layers[layer].Key, Query: None}
	at := skipMoves(g, n.Key)
	if d := g.Node(at); d.Op == OpDiv && g.Node(d.Src[1]).Kind == Weight {
		at = skipMoves(g, d.Src[0]) // the activation's own scale, 1 for new neurons
	}
	var err error
	switch k := g.Node(at); {
	case gatedActs[k.Op] != "" && k.Src[1] >= 0:
		err = n.gate(g, gatedActs[k.Op], k.Src[0], k.Src[1])
	case gatedActs[k.Op] != "" && k.Params[1] == 0:
		n.Fused = true
		err = n.gate(g, gatedActs[k.Op], k.Src[0], k.Src[0])
	case k.Op == OpMul && isActivation(g, k.Src[0]):
		a := skipMoves(g, k.Src[0])
		err = n.gate(g, g.Node(a).Op, g.Node(a).Src[0], k.Src[1])
	case k.Op == OpMul && isActivation(g, k.Src[1]):
		a := skipMoves(g, k.Src[1])
		err = n.gate(g, g.Node(a).Op, g.Node(a).Src[0], k.Src[0])
	case k.Op == OpSqr && isActivation(g, k.Src[0]):
		n.Squared = true
		a := skipMoves(g, k.Src[0])
		err = n.plain(g, g.Node(a).Op, g.Node(a).Src[0])
	case isActivation(g, at):
		err = n.plain(g, k.Op, k.Src[0])
	default:
		err = fmt.Errorf("%w: the key of layer %d comes from %s, which is no activation known here", ErrGraph, layer, k.Op)
	}
	return n, err
}

func skipMoves(g *Graph, id ID) ID {
	for g.Node(id).Kind == Computed && (g.Node(id).Op.moves() || g.Node(id).Op == OpCont) {
		id = g.Node(id).Src[0]
	}
	return id
}

func isActivation(g *Graph, id ID) bool {
	switch n := g.Node(skipMoves(g, id)); n.Op {
	case OpRelu, OpGelu, OpGeluQuick, OpGeluErf, OpSilu:
		return n.Kind == Computed
	}
	return false
}

func (n *Network) plain(g *Graph, act Op, up ID) (err error) {
	n.Act = act
	n.Up, err = n.affine(g, up)
	return err
}

func (n *Network) gate(g *Graph, act Op, gate, up ID) (err error) {
	n.Act, n.Gated = act, true
	if n.Gate, err = n.affine(g, gate); err != nil {
		return err
	}
	n.Up, err = n.affine(g, up)
	return err
}

// affine follows an argument back to the product that it comes from.
func (n *Network) affine(g *Graph, id ID) (Affine, error) {
	a := Affine{None, None, None}
	for {
		id = skipMoves(g, id)
		k := g.Node(id)
		switch {
		case k.Op == OpMul && a.Scale < 0 && a.Bias < 0 && isLeaf(g, k.Src[1]) && g.Node(k.Src[1]).Elements() == 1:
			a.Scale = k.Src[1]
			id = k.Src[0]
		case k.Op == OpAdd && a.Bias < 0 && isLeaf(g, k.Src[1]):
			a.Bias = k.Src[1]
			id = k.Src[0]
		case k.Op == OpMulMat && isLeaf(g, k.Src[0]) && strings.HasPrefix(g.Node(k.Src[0]).Name, "blk."):
			a.Weight = k.Src[0]
			if n.Query >= 0 && n.Query != k.Src[1] {
				return a, fmt.Errorf("%w: gate and up-projection read different inputs", ErrGraph)
			}
			n.Query = k.Src[1]
			return a, nil
		default:
			return a, fmt.Errorf("%w: %s stands between the input of the feed-forward network and its activation", ErrGraph, k.Op)
		}
	}
}

func isLeaf(g *Graph, id ID) bool { return id >= 0 && g.Node(id).Kind == Weight }
