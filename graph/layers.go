package graph

import "fmt"

// Begin is the residual stream that the first layer reads, [n_embd, rows]:
// after the embedding and what is done to it first (a scale, positions, a
// norm), the first node that several others read.
func (s *Sites) Begin(g *Graph) (ID, error) {
	users := users(g)
	id := s.Embedding
	for len(users[id]) == 1 {
		id = users[id][0]
	}
	first := s.Layers[0]
	if len(users[id]) == 0 || first.FFN <= id || first.Attention >= 0 && first.Attention <= id {
		return None, fmt.Errorf("%w: no single stream leads from the embedding to layer 0", ErrGraph)
	}
	return id, nil
}

// LayerSlices cuts a decode into its layers: slice l leads from the residual
// stream in front of layer l to the one after it, both [n_embd, rows]. A layer
// is refused if it takes more from the layers before it than the stream, or if
// it leaves out rows, as the last one does unless every row's logits were asked
// for.
func LayerSlices(g *Graph, s *Sites) ([]*Slice, error) {
	in, err := s.Begin(g)
	if err != nil {
		return nil, err
	}
	var modules []ID
	for i, l := range s.Layers {
		if l.Residual < 0 {
			return nil, fmt.Errorf("%w: no single residual stream leads out of layer %d", ErrGraph, i)
		}
		modules = append(modules, l.FFN)
		if l.Attention >= 0 {
			modules = append(modules, l.Attention)
		}
	}
	moved := newFlow(g).dependents(modules)
	out := make([]*Slice, len(s.Layers))
	for i, l := range s.Layers {
		if g.Node(l.Residual).Ne != g.Node(in).Ne {
			return nil, fmt.Errorf("%w: layer %d turns a stream of %v into one of %v", ErrGraph, i, g.Node(in).Ne, g.Node(l.Residual).Ne)
		}
		if out[i], err = Cut(g, []ID{in}, []ID{l.Residual}); err != nil {
			return nil, err
		}
		if id := out[i].foreign(in, moved); id >= 0 {
			return nil, fmt.Errorf("%w: layer %d reads %v of a layer before it", ErrGraph, i, out[i].Node(id))
		}
		in = l.Residual
	}
	return out, nil
}

// foreign finds what a layer's slice takes from layers before it besides the
// stream: a value that they moved, or cells of the cache that it does not write
// itself. None is nothing.
func (s *Slice) foreign(in ID, moved []bool) ID {
	for _, v := range s.Values {
		if from := s.From[v]; from != in && moved[from] {
			return v
		}
	}
	written := map[ID]bool{}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Kind != Computed || n.Op.moves() {
			continue
		}
		if root := s.Root(ID(i)); s.Node(root).Kind == Cache {
			written[root] = true
			continue
		}
		for _, src := range n.Src {
			if src < 0 {
				continue
			}
			if root := s.Root(src); s.Node(root).Kind == Cache && !written[root] {
				return src
			}
		}
	}
	return None
}
