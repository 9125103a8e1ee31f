package graph

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// LayerSites are the places of one layer where a value can be read or changed.
type LayerSites struct {
	Key       ID // input of ffn_down: the key, [n_ff, rows]
	FFN       ID // output of ffn_down: the value, [n_embd, rows]
	Attention ID // output of attn_output, [n_embd, rows]
	Residual  ID // the residual stream after the layer, [n_embd, rows]
}

// Sites are the places of a decode where a value can be read or changed, each
// found by the weight that its product uses.
type Sites struct {
	Embedding ID // rows of token_embd, [n_embd, rows]
	Layers    []LayerSites
	Logits    ID // [n_vocab, rows asked for]
}

// Widths are the longest vectors of a token in any layer, in numbers.
type Widths struct {
	Stream int // the residual stream, n_embd
	Key    int // what ffn_down multiplies, n_ff
	Heads  int // what attn_output multiplies: the outputs of all heads
	Logits int // n_vocab
}

// Widths reads them off the graph of a decode. Heads is Stream where a layer has no
// attention output.
func (s *Sites) Widths(g *Graph) Widths {
	w := Widths{Stream: int(g.Node(s.Embedding).Ne[0]), Logits: int(g.Node(s.Logits).Ne[0])}
	for _, l := range s.Layers {
		w.Key = max(w.Key, int(g.Node(l.Key).Ne[0]))
		if l.Attention >= 0 {
			w.Heads = max(w.Heads, int(g.Node(productOf(g, l.Attention)).Ne[0]))
		}
	}
	if w.Heads == 0 {
		w.Heads = w.Stream
	}
	return w
}

// productOf is what the product in a site multiplies a weight with, adapters aside.
func productOf(g *Graph, id ID) ID {
	n := g.Node(id)
	for n.Op == OpAdd {
		n = g.Node(n.Src[0])
	}
	return n.Src[1]
}

// layerWeight splits "blk.N.what.weight".
func layerWeight(name string) (layer int, what string, ok bool) {
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return 0, "", false
	}
	number, what, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, "", false
	}
	layer, err := strconv.Atoi(number)
	return layer, what, err == nil && layer >= 0
}

// FindSites finds the sites of a decode of a model with the given number of
// layers. A model that has no such sites, or uses a weight twice in a decode,
// is refused by what it lacks. Attention and Residual may be None where a
// layer has no product or no single stream there.
func FindSites(g *Graph, layers int) (*Sites, error) {
	s := &Sites{Embedding: None, Logits: None, Layers: make([]LayerSites, layers)}
	for i := range s.Layers {
		s.Layers[i] = LayerSites{None, None, None, None}
	}
	for i := range g.Nodes {
		id := ID(i)
		n := &g.Nodes[i]
		if n.Kind != Computed {
			continue
		}
		s.Logits = id
		if n.Op != OpMulMat && n.Op != OpGetRows && n.Op != OpMulMatID {
			continue
		}
		if err := s.product(g, id); err != nil {
			return nil, err
		}
	}
	return s, s.complete(g)
}

// product notes id if it is the product of a site's weight.
func (s *Sites) product(g *Graph, id ID) error {
	n := g.Node(id)
	w := g.Node(n.Src[0])
	if w.Kind != Weight {
		return nil
	}
	if n.Op == OpGetRows && w.Name == "token_embd.weight" {
		if s.Embedding >= 0 {
			return fmt.Errorf("%w: token_embd.weight is used twice in a decode", ErrGraph)
		}
		s.Embedding = id
		return nil
	}
	layer, what, ok := layerWeight(w.Name)
	if !ok {
		return nil
	}
	if n.Op == OpMulMatID {
		return fmt.Errorf("%w: %s belongs to a mixture of experts", ErrGraph, w.Name)
	}
	if layer >= len(s.Layers) || n.Op != OpMulMat {
		return nil
	}
	l := &s.Layers[layer]
	var site *ID
	switch what {
	case "ffn_down.weight":
		site = &l.FFN
		l.Key = n.Src[1]
	case "attn_output.weight":
		site = &l.Attention
	default:
		return nil
	}
	if *site >= 0 {
		return fmt.Errorf("%w: %s is used twice in a decode", ErrGraph, w.Name)
	}
	*site = id
	return nil
}

// complete follows the products to the sums with their adapters and finds the residual stream.
func (s *Sites) complete(g *Graph) error {
	if s.Embedding < 0 {
		return fmt.Errorf("%w: no rows of token_embd.weight are read", ErrGraph)
	}
	users, flow := users(g), newFlow(g)
	before := s.Embedding // the stream that the layer reads
	for i := range s.Layers {
		l := &s.Layers[i]
		if l.FFN < 0 {
			return fmt.Errorf("%w: layer %d has no product with blk.%d.ffn_down.weight", ErrGraph, i, i)
		}
		l.FFN = afterAdapters(g, users, l.FFN)
		modules := []ID{l.FFN, s.Embedding}
		if l.Attention >= 0 {
			l.Attention = afterAdapters(g, users, l.Attention)
			modules[1] = l.Attention
		}
		l.Residual = stream(flow, modules, before)
		if i+1 < len(s.Layers) && s.Layers[i+1].FFN >= 0 && l.Residual > s.Layers[i+1].FFN {
			l.Residual = None // what it would have to be runs beside the next layer
		}
		if l.Residual >= 0 {
			before = l.Residual
		}
	}
	return nil
}

// users lists the nodes that read each node.
func users(g *Graph) [][]ID {
	u := make([][]ID, len(g.Nodes))
	for i := range g.Nodes {
		for _, s := range g.Nodes[i].Src {
			if s >= 0 {
				u[s] = append(u[s], ID(i))
			}
		}
	}
	return u
}

// afterAdapters is the sum of a product and the adapters beside it: the ADD
// whose other operand comes from a lora_b product, once for each adapter.
func afterAdapters(g *Graph, users [][]ID, id ID) ID {
	for {
		next := None
		for _, u := range users[id] {
			n := g.Node(u)
			if n.Op == OpAdd && n.Src[0] == id && n.Src[1] >= 0 && fromAdapter(g, n.Src[1]) {
				next = u
			}
		}
		if next < 0 {
			return id
		}
		id = next
	}
}

func fromAdapter(g *Graph, id ID) bool {
	n := g.Node(id)
	if n.Op == OpScale && n.Src[0] >= 0 {
		n = g.Node(n.Src[0])
	}
	return n.Op == OpMulMat && strings.HasSuffix(g.Node(n.Src[0]).Name, ".lora_b")
}

// stream is the residual stream after a layer: the first node after both its
// modules through which all passes that depends on either of them, and to which
// the stream before it was added (some blocks sum their modules first).
func stream(f *flow, modules []ID, before ID) ID {
	g := f.g
	dep, around := f.dependents(modules), f.around(before, modules)
	last := make([]ID, len(g.Nodes)) // last reader of each node
	for i := range g.Nodes {
		if dep[i] {
			f.sources(ID(i), func(src ID) { last[src] = ID(i) })
		}
	}
	begin := slices.Max(modules)
	reach := None // furthest reader of what came before
	for i := range g.Nodes {
		id := ID(i)
		if !dep[i] {
			continue
		}
		if id > begin && reach <= id && around[i] && !g.Nodes[i].Op.moves() && g.Nodes[i].Op != OpSetRows {
			return id
		}
		reach = max(reach, last[i])
	}
	return None
}

// around marks what depends on a node other than through the modules.
func (f *flow) around(id ID, modules []ID) []bool {
	dep := make([]bool, len(f.g.Nodes))
	dep[id] = true
	for i := range f.g.Nodes {
		if slices.Contains(modules, ID(i)) && ID(i) != id {
			continue
		}
		f.sources(ID(i), func(s ID) { dep[i] = dep[i] || dep[s] })
	}
	return dep
}
