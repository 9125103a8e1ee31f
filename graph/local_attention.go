package graph

import (
	"fmt"
	"math"
)

// writer is the SET_ROWS that filled what id reads.
func (l *localiser) writer(id ID) (*Node, error) {
	w := l.flow.writers[id]
	if len(w) != 1 || l.old.Nodes[w[0]].Op != OpSetRows {
		return nil, notLocal(&l.old.Nodes[id], fmt.Sprintf("reads %d writes to the cache", len(w)))
	}
	return &l.old.Nodes[w[0]], nil
}

// score is K q: a [d, cells, heads_kv, 1] read of the cache with q [d, rows, heads, 1].
func (l *localiser) score(id ID) error {
	n := &l.old.Nodes[id]
	w, err := l.writer(n.Src[0])
	if err != nil {
		return err
	}
	k, q := l.old.Nodes[n.Src[0]], l.old.Nodes[n.Src[1]]
	total := l.batchRows()
	if k.Ne[3] != 1 || q.Ne[3] != 1 || q.Ne[1] != total || q.Op != OpPermute || q.Params[1] != 2 || q.Params[2] != 1 {
		return notLocal(n, "is laid out in another way")
	}
	l.keys = w.Src[1]
	cells, err := l.cellsOf(id, w.Src[1])
	if err != nil {
		return err
	}
	keys, err := l.sequences(n.Src[0], w, k.Ne[0], k.Ne[2], cells, false)
	if err != nil {
		return err
	}
	qs, err := l.use(q.Src[0]) // [d, heads, rows]
	if err != nil {
		return err
	}
	b := l.b()
	kq := l.products(b.Permute(keys, [4]int{0, 2, 1, 3}), b.Permute(l.queries(qs), [4]int{0, 2, 1, 3}))
	root := b.Root(kq)
	b.Nodes[root].Params, b.Nodes[root].Name = n.Params, n.Name
	l.became(id, kq, scores)
	return nil
}

// products are those of keys [d, cells, heads_kv, sequences] with queries
// [d, rows, heads, sequences]. Kernels take rows that lie apart one at a time;
// packed, those of all heads that share keys are one product. In an objective,
// whose products are many times larger, they are not worth their memory.
func (l *localiser) products(keys, queries ID) ID {
	b := l.b()
	k, q := *b.Node(keys), *b.Node(queries)
	if l.ragged == nil || q.Ne[2]%k.Ne[2] != 0 {
		return b.MulMat(keys, queries)
	}
	share := q.Ne[2] / k.Ne[2]
	packed := b.Reshape(b.Cont(queries), [4]int64{q.Ne[0], q.Ne[1] * share, k.Ne[2], q.Ne[3]})
	return b.Reshape(b.MulMat(keys, packed), [4]int64{k.Ne[1], q.Ne[1], q.Ne[2], q.Ne[3]})
}

// queries is this batch's queries [d, heads, rows] by sequence:
// [d, heads, rows of a sequence, sequences].
func (l *localiser) queries(qs ID) ID {
	if l.ragged != nil {
		return l.ragged.queries(l, qs)
	}
	b := l.b()
	n, t := *b.Node(qs), int64(l.rows.Length)
	return b.View(qs, [4]int64{n.Ne[0], n.Ne[1], t, n.Ne[2] / t}, [4]uint64{n.Nb[0], n.Nb[1], n.Nb[2], n.Nb[2] * uint64(t)}, 0)
}

// batchRows is the number of rows of the batch.
func (l *localiser) batchRows() int64 {
	if l.ragged != nil {
		return int64(len(l.ragged.Out))
	}
	return int64(l.rows.Sequences * l.rows.Length)
}

// sequences is this batch's keys or values, after those of earlier tokens:
// [d, heads, cells, sequences].
func (l *localiser) sequences(read ID, w *Node, d, heads int64, cells [][]int, transposed bool) (ID, error) {
	src, err := l.use(w.Src[0])
	if err != nil {
		return None, err
	}
	b := l.b()
	t, n := int64(l.rows.Length), int64(l.rows.Sequences)
	if b.Node(src).Elements() != d*heads*l.batchRows() {
		return None, notLocal(&l.old.Nodes[read], "pads the cache's rows")
	}
	if l.ragged != nil {
		return l.ragged.sequences(l, src, d, heads), nil
	}
	own := b.Reshape(src, [4]int64{d, heads, t, n})
	p := int64(len(cells[0]))
	if p == 0 {
		return own, nil
	}
	root := l.old.Nodes[l.old.Root(read)]
	node := b.Input(F32, [4]int64{d, heads, p, n}, "prefix of "+root.Name)
	l.local.Prefixes = append(l.local.Prefixes, Prefix{
		Node: node, Cache: root.Handle, Ne: root.Ne, Cells: cells, Transposed: transposed, Channels: int(d * heads),
	})
	return b.Concat(node, own, 2), nil
}

// cellsOf finds the cells that each sequence sees besides its own rows': those
// that the mask of the scores lets any of its rows see.
func (l *localiser) cellsOf(score, idx ID) ([][]int, error) {
	if c, ok := l.cells[idx]; ok {
		return c, nil
	}
	m, own := l.maskOf(score), l.values(idx)
	if m == None || int64(len(own)) != l.batchRows() {
		return nil, notLocal(&l.old.Nodes[score], "has no mask")
	}
	if l.ragged != nil {
		return nil, nil // the caller knows them
	}
	values, cells := l.mask(m), l.old.Nodes[m].Ne[0]
	isOwn := map[int]bool{}
	for _, c := range own {
		isOwn[int(c)] = true
	}
	out := make([][]int, l.rows.Sequences)
	most := l.rows.Prefix
	for s := range out {
		for c := range int(cells) {
			if isOwn[c] {
				continue
			}
			for r := range l.rows.Length {
				if !math.IsInf(float64(values[int64(s*l.rows.Length+r)*cells+int64(c)]), -1) {
					out[s] = append(out[s], c)
					break
				}
			}
		}
		most = max(most, len(out[s]))
	}
	for s := range out {
		for len(out[s]) < most {
			out[s] = append(out[s], -1)
		}
	}
	l.cells[idx] = out
	return out, nil
}

// maskOf is the mask of the soft-max that the scores go into.
func (l *localiser) maskOf(score ID) ID {
	at := score
	for i := int(score) + 1; i < len(l.old.Nodes); i++ {
		n := &l.old.Nodes[i]
		if n.Kind != Computed || n.Src[0] != at {
			continue
		}
		if n.Op == OpSoftMax {
			if n.Src[1] >= 0 && l.old.Nodes[n.Src[1]].Kind == Input {
				return n.Src[1]
			}
			return None
		}
		at = ID(i)
	}
	return None
}

// scoreFunction is an operator on scores, element by element or row by row.
func (l *localiser) scoreFunction(id ID) error {
	n := l.old.Nodes[id]
	if n.Src[0] < 0 || l.role[n.Src[0]] != scores {
		return notLocal(&n, "combines scores in another way")
	}
	b := l.b()
	x := l.to[n.Src[0]]
	out := shaped(n.Op, F32, b.Node(x).Ne, x)
	out.Params, out.Name = n.Params, n.Name
	switch {
	case n.Op == OpSoftMax:
		mask, err := l.localMask(id, n.Src[1])
		if err != nil {
			return err
		}
		out.Src[1] = mask
		if n.Src[2] >= 0 {
			if out.Src[2], err = l.use(n.Src[2]); err != nil {
				return err
			}
		}
	case n.Src[1] >= 0 || n.Op.moves():
		return notLocal(&n, "combines scores with "+string(n.Op))
	}
	l.became(id, b.push(out), scores)
	return nil
}

// localMask is the mask [cells, rows of a sequence, 1, sequences].
func (l *localiser) localMask(id, m ID) (ID, error) {
	n := &l.old.Nodes[id]
	if m < 0 || l.old.Nodes[m].Kind != Input {
		return None, notLocal(n, "has no mask")
	}
	key := fmt.Sprint(m, l.keys)
	if id, ok := l.masks[key]; ok {
		return id, nil
	}
	if l.ragged != nil {
		l.masks[key] = l.ragged.localMask(l, l.mask(m))
		return l.masks[key], nil
	}
	cells, own := l.cells[l.keys], l.values(l.keys)
	values, width := l.mask(m), l.old.Nodes[m].Ne[0]
	t, p := l.rows.Length, len(cells[0])
	out := make([]float32, 0, (p+t)*t*l.rows.Sequences)
	for s := range l.rows.Sequences {
		for r := range t {
			row := values[int64(s*t+r)*width:]
			for _, c := range cells[s] {
				if c < 0 {
					out = append(out, float32(math.Inf(-1)))
				} else {
					out = append(out, row[c])
				}
			}
			for j := range t {
				out = append(out, row[own[s*t+j]])
			}
		}
	}
	b := l.b()
	to := b.Input(F32, [4]int64{int64(p + t), int64(t), 1, int64(l.rows.Sequences)}, "mask")
	l.local.Consts = append(l.local.Consts, Const{Node: to, F32: out})
	l.masks[key] = to
	return to, nil
}

// mix is V soft-max(scores): the cache is read as [cells, d, heads_kv, 1].
func (l *localiser) mix(id ID) error {
	n := &l.old.Nodes[id]
	w, err := l.writer(n.Src[0])
	if err != nil {
		return err
	}
	v := l.old.Nodes[n.Src[0]]
	if v.Ne[3] != 1 {
		return notLocal(n, "is laid out in another way")
	}
	cells := l.cells[l.keys]
	values, err := l.sequences(n.Src[0], w, v.Ne[1], v.Ne[2], cells, v.Nb[0] == 4)
	if err != nil {
		return err
	}
	b := l.b()
	p := l.to[n.Src[1]]
	pn := *b.Node(p)
	// heads that share values are rows of one larger product
	share := pn.Ne[2] / b.Node(values).Ne[1]
	if pn.Contiguous() && share > 1 {
		p = b.Reshape(p, [4]int64{pn.Ne[0], pn.Ne[1] * share, pn.Ne[2] / share, pn.Ne[3]})
	}
	kqv := l.mixture(values, p)
	b.Nodes[kqv].Name = n.Name
	if b.Nodes[kqv].Op == OpMulMat {
		b.Nodes[kqv].Params = n.Params
	}
	l.became(id, b.Reshape(kqv, [4]int64{b.Node(values).Ne[0], pn.Ne[1], pn.Ne[2], pn.Ne[3]}), mixed)
	return nil
}

// mixture is the sum of values [d, heads, cells, sequences] weighted by rows of
// p [cells, rows, heads, sequences]. A ragged batch's runs are short as a rule:
// their values need not be transposed.
func (l *localiser) mixture(values, p ID) ID {
	b := l.b()
	if l.ragged != nil && b.Node(p).Ne[0] <= fewTerms {
		return b.OutProd(b.Permute(values, [4]int{0, 2, 1, 3}), b.Transpose(p))
	}
	return b.MulMat(b.Cont(b.Permute(values, [4]int{1, 2, 0, 3})), p)
}

// merge exchanges heads and rows again.
func (l *localiser) merge(id ID) error {
	n := l.old.Nodes[id]
	if n.Op != OpPermute || n.Params[0] != 0 || n.Params[1] != 2 || n.Params[2] != 1 || n.Params[3] != 3 {
		return notLocal(&n, "uses its output in another way")
	}
	l.became(id, l.b().Permute(l.to[n.Src[0]], [4]int{0, 2, 1, 3}), merged)
	return nil
}

// flatten makes the output contiguous: rows follow sequence by sequence, as in
// the batch.
func (l *localiser) flatten(id ID) error {
	n := l.old.Nodes[id]
	if n.Op != OpCont {
		return notLocal(&n, "uses its output in another way")
	}
	if l.ragged != nil {
		l.became(id, l.ragged.flatten(l, l.to[n.Src[0]], n.Ne), ordinary)
	} else {
		out := shaped(OpCont, F32, n.Ne, l.to[n.Src[0]])
		out.Name = n.Name
		l.became(id, l.b().push(out), ordinary)
	}
	l.out.From[l.to[id]] = l.old.From[id]
	l.out.To[l.old.From[id]] = l.to[id]
	return nil
}
