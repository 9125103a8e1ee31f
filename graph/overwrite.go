package graph

// RowOverwrite is a site of which some rows are given instead of computed.
type RowOverwrite struct {
	Rows  ID // input, I64 [n]: which
	Value ID // input [width, n]
}

// OverwriteRows gives n rows of a site instead of computing them, in the site's
// own memory: nothing may read what it was. to gives the new id of each node of
// s, the overwritten value's for the site.
func OverwriteRows(s *Slice, site ID, n int) (out *Slice, over RowOverwrite, to []ID) {
	out, to = insert(s, func(b Builder, old, id ID) ID {
		if old != site {
			return id
		}
		over.Rows = b.Input(I64, Shape2(int64(n), 1), "overwritten rows")
		over.Value = b.Input(F32, Shape2(b.Node(id).Ne[0], int64(n)), "value")
		return b.SetRows(id, over.Value, over.Rows)
	})
	return out, over, to
}

// CastWeights multiplies with casts of the weights that pick names instead of
// with themselves: each is dequantised in the graph, ahead of its products, and
// its values take memory until these are done. Weights that are read in other
// ways stay. to gives the new id of each node of s, the cast's for a weight.
func CastWeights(s *Slice, t Type, pick func(*Node) bool) (out *Slice, consts []Const, to []ID) {
	otherwise := make([]bool, len(s.Nodes)) // read by more than products
	for i := range s.Nodes {
		for k, src := range s.Nodes[i].Src {
			if src >= 0 && (k > 0 || s.Nodes[i].Op != OpMulMat) {
				otherwise[src] = true
			}
		}
	}
	out, to = insert(s, func(b Builder, old, id ID) ID {
		n := s.Node(old)
		if n.Kind != Weight || otherwise[old] || n.Ne[2] != 1 || n.Ne[3] != 1 || !pick(n) {
			return id
		}
		rows := b.WeightRows(id, 0, n.Ne[1], func(v []int32, name string) ID {
			idx := b.Input(I32, Shape2(int64(len(v)), 1), name)
			consts = append(consts, Const{Node: idx, I32: v})
			return idx
		})
		return b.Cast(rows, t)
	})
	return out, consts, to
}

// PackQueries makes queries contiguous before they meet keys in F32: kernels go
// through permuted rows one at a time, some ten times slower, and a copy of a
// batch's queries costs next to nothing. to gives the new id of each node of s.
func PackQueries(s *Slice) (out *Slice, to []ID) {
	meets := make([]bool, len(s.Nodes))
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Kind == Computed && n.Op == OpMulMat && s.Node(n.Src[0]).Type == F32 && s.Node(s.Root(n.Src[0])).Kind == Cache {
			meets[n.Src[1]] = true
		}
	}
	return insert(s, func(b Builder, old, id ID) ID {
		if !meets[old] || s.Node(old).Contiguous() {
			return id
		}
		return b.Cont(id)
	})
}

// insert copies a slice and lets then append nodes after each: what it
// returns is read in place of node old, whose copy is id.
func insert(s *Slice, then func(b Builder, old, id ID) ID) (out *Slice, to []ID) {
	out = &Slice{To: make([]ID, len(s.To))}
	for i := range out.To {
		out.To[i] = None
	}
	to = make([]ID, len(s.Nodes))
	b := Builder{&out.Graph}
	for i := range s.Nodes {
		n := s.Nodes[i]
		for k, src := range n.Src {
			if src >= 0 {
				n.Src[k] = to[src]
			}
		}
		if n.ViewSrc >= 0 {
			n.ViewSrc, n.ViewOffs = viewOf(s, out, ID(i), n, to)
		}
		to[i] = b.push(n)
		out.From = append(out.From, s.From[i])
		if s.From[i] >= 0 {
			out.To[s.From[i]] = to[i]
		}
		to[i] = then(b, ID(i), to[i])
		for len(out.From) < len(out.Nodes) {
			out.From = append(out.From, None)
		}
	}
	for _, v := range s.Values {
		out.Values = append(out.Values, to[v])
	}
	return out, to
}

// viewOf is where a view lies once its source may be an overwritten value.
func viewOf(s, out *Slice, id ID, n Node, to []ID) (ID, uint64) {
	if !n.Op.moves() {
		return to[n.ViewSrc], n.ViewOffs
	}
	from := Builder{&s.Graph}.offset(s.Nodes[id].Src[0])
	b := Builder{&out.Graph}
	return b.Root(n.Src[0]), n.ViewOffs - from + b.offset(n.Src[0])
}
