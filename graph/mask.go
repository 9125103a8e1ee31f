package graph

import "fmt"

// Attention is where a layer's rows choose the cells that they read.
type Attention struct {
	SoftMax ID // over the scores [cells, rows, heads]
	Mask    ID // input [cells, rows]: -Inf where a row does not see a cell
	Cells   ID // input [rows]: the cell that a row's key is written to
}

// FindAttention finds the attention of each layer: the one soft-max that runs
// between the attention outputs of two layers. Its mask must be an input and
// its keys must be read from the cache, where this batch wrote them by rows.
// Attention of another form is refused by the layer that has it.
func FindAttention(g *Graph, s *Sites) ([]Attention, error) {
	f := newFlow(g)
	out := make([]Attention, len(s.Layers))
	from := s.Embedding
	for i, l := range s.Layers {
		refuse := func(why string) error { return fmt.Errorf("%w: attention of layer %d %s", ErrGraph, i, why) }
		if l.Attention < from {
			return nil, refuse("has no output after that of the layer before")
		}
		a := Attention{None, None, None}
		for id := from + 1; id < l.Attention; id++ {
			if g.Nodes[id].Op != OpSoftMax {
				continue
			}
			if a.SoftMax >= 0 {
				return nil, refuse("has more than one soft-max")
			}
			a.SoftMax = id
		}
		if a.SoftMax < 0 {
			return nil, refuse("has no soft-max")
		}
		if why := a.inputs(f); why != "" {
			return nil, refuse(why)
		}
		out[i], from = a, l.Attention
	}
	return out, nil
}

// inputs finds the mask and the cells of the keys, or says why it cannot.
func (a *Attention) inputs(f *flow) (why string) {
	n := f.g.Node(a.SoftMax)
	a.Mask = n.Src[1]
	if a.Mask < 0 || f.g.Node(a.Mask).Kind != Input || f.g.Node(a.Mask).Type != F32 {
		return "has no mask of its own"
	}
	m := f.g.Node(a.Mask)
	if m.Ne[0] != n.Ne[0] || m.Ne[1] < n.Ne[1] || m.Ne[2] != 1 || m.Ne[3] != 1 || n.Ne[3] != 1 {
		return "has a cache for each sequence"
	}
	score := n.Src[0]
	for f.g.Node(score).Op != OpMulMat {
		if score = f.g.Node(score).Src[0]; score < 0 {
			return "has no scores"
		}
	}
	keys := f.g.Node(score).Src[0]
	writers := f.writers[keys]
	if f.g.Node(f.g.Root(keys)).Kind != Cache || len(writers) != 1 || f.g.Node(writers[0]).Op != OpSetRows {
		return "does not read keys that this batch wrote to the cache once"
	}
	a.Cells = f.g.Node(writers[0]).Src[1]
	if c := f.g.Node(a.Cells); c.Kind != Input || c.Elements() != n.Ne[1] {
		return "does not write its keys to the cache by rows"
	}
	return ""
}

// OwnMasks gives each of some nodes of a slice, soft-maxes with a mask, a mask
// input of its own. masks are ids of the new slice, and to gives the new id of
// each node of s.
func OwnMasks(s *Slice, softMax []ID) (out *Slice, masks, to []ID) {
	out = &Slice{To: make([]ID, len(s.To))}
	b := Builder{&out.Graph}
	own := map[ID]ID{}
	for _, id := range softMax {
		m := s.Node(s.Node(id).Src[1])
		own[id] = b.Input(m.Type, m.Ne, "mask")
		masks = append(masks, own[id])
		out.From = append(out.From, None)
	}
	// inputs stand before whatever reads them: all else moves after them
	shift := ID(len(softMax))
	for i := range s.Nodes {
		n := s.Nodes[i]
		for k, src := range n.Src {
			if src >= 0 {
				n.Src[k] = src + shift
			}
		}
		if n.ViewSrc >= 0 {
			n.ViewSrc += shift
		}
		if mask, ok := own[ID(i)]; ok {
			n.Src[1] = mask
		}
		to = append(to, b.push(n))
		out.From = append(out.From, s.From[i])
	}
	for i, id := range s.To {
		if out.To[i] = id; id >= 0 {
			out.To[i] += shift
		}
	}
	for _, v := range s.Values {
		out.Values = append(out.Values, v+shift)
	}
	return out, masks, to
}
