package graph

import "fmt"

// reverseMove is the rule of an operator that only looks at memory another way.
func reverseMove(f func(b *gradient, n Node, g ID) ID) rule {
	return func(b *gradient, id ID, n Node, g ID) error {
		if b.readsCache(id, n) {
			return b.reverseCache(id, g)
		}
		if b.wants(n.Src[0]) {
			b.accumulate(n.Src[0], f(b, n, g))
		}
		return nil
	}
}

func permuteRule(b *gradient, n Node, g ID) ID {
	var inverse [4]int
	for i := range inverse {
		inverse[n.Params[i]] = i
	}
	return b.Permute(g, inverse)
}

// reverseView scatters g into zeros of the shape of what was viewed. A view is
// injective, so this is a gather: each element of the whole takes the element
// of g at its address, or zero.
func reverseView(b *gradient, id ID, n Node, g ID) error {
	if b.readsCache(id, n) {
		return b.reverseCache(id, g)
	}
	src := n.Src[0]
	if !b.wants(src) || n.Elements() == 0 {
		return nil
	}
	whole, part := b.Graph.layout(src), b.Graph.layout(id)
	if b.Node(src).ViewSrc < 0 {
		whole.offset = 0
	}
	r := newRoute(part, b.Node(src).Elements(), whole.run(), whole.address)
	b.accumulate(src, b.gather(g, r, b.Node(src).Ne))
	return nil
}

// readsCache reports whether id is the first look at rows of the cache that
// this graph wrote. Order is the only link between the two: the read names the
// cache's tensor, not the SET_ROWS.
func (b *gradient) readsCache(id ID, n Node) bool {
	return len(b.flow.writers[id]) > 0 && len(b.flow.writers[n.Src[0]]) == 0
}

// reverseCache hands the gradient of a read of the cache to the rows that this
// graph wrote there. Rows of earlier batches are constants.
func (b *gradient) reverseCache(read, g ID) error {
	for _, w := range b.flow.writers[read] {
		n := b.Nodes[w]
		src := n.Src[0]
		if !b.wants(src) {
			continue
		}
		if n.Op != OpSetRows || n.Type != F32 {
			return fmt.Errorf("%w: no reverse rule for a cache written by %s in type %d", ErrGraph, n.Op, n.Type)
		}
		idx := b.values(n.Src[1])
		rows := b.Node(src)
		if idx == nil || int64(len(idx)) != rows.Ne[1] || rows.Ne[2]*rows.Ne[3] != 1 {
			return fmt.Errorf("%w: the cache rows of %q are not known", ErrGraph, n.Name)
		}
		// element j of row i went to row idx[i] of what SET_ROWS wrote to
		width := rows.Ne[0]
		base := b.Graph.layout(w)
		address := func(e int64) uint64 {
			return base.offset + uint64(idx[e/width])*base.nb[1] + uint64(e%width)*base.nb[0]
		}
		r := newRoute(b.Graph.layout(read), rows.Elements(), width, address)
		b.accumulate(src, b.gather(g, r, rows.Ne))
	}
	return nil
}

func reverseConcat(b *gradient, _ ID, n Node, g ID) error {
	dim := n.Params[0]
	g = b.Cont(g)
	offset := uint64(0)
	for _, s := range n.Src[:2] {
		if b.wants(s) {
			b.accumulate(s, b.Cont(b.View(g, b.Node(s).Ne, b.Node(g).Nb, offset)))
		}
		offset += uint64(b.Node(s).Ne[dim]) * b.Node(g).Nb[dim]
	}
	return nil
}

// PAD holds the left pads of dimension i in parameter 2 i.
func reversePad(b *gradient, _ ID, n Node, g ID) error {
	if !b.wants(n.Src[0]) {
		return nil
	}
	g = b.Cont(g)
	offset := uint64(0)
	for i := range 4 {
		offset += uint64(n.Params[2*i]) * b.Node(g).Nb[i]
	}
	b.accumulate(n.Src[0], b.Cont(b.View(g, b.Node(n.Src[0]).Ne, b.Node(g).Nb, offset)))
	return nil
}

// reverseGetRows puts the rows of g back where they were picked. A row that is
// known as -1 does not count: its gradient is zero, or not wanted.
func reverseGetRows(b *gradient, _ ID, n Node, g ID) error {
	src := n.Src[0]
	if !b.wants(src) {
		return nil
	}
	rows, picked := b.Node(src), b.values(n.Src[1])
	if picked == nil || rows.Ne[2]*rows.Ne[3] != 1 {
		return fmt.Errorf("%w: the rows that %q picks are not known", ErrGraph, n.Name)
	}
	r := route{w: rows.Ne[0], rows: make([]int64, rows.Ne[1])}
	for i := range r.rows {
		r.rows[i] = -1
	}
	for i, row := range picked {
		if row == -1 {
			continue
		}
		if row < 0 || row >= rows.Ne[1] || r.rows[row] >= 0 {
			return fmt.Errorf("%w: %q picks row %d twice or past the end", ErrGraph, n.Name, row)
		}
		r.rows[row] = int64(i)
	}
	b.accumulate(src, b.gather(g, r, rows.Ne))
	return nil
}
