package graph

import (
	"fmt"
	"math"
)

// Rows says how the rows of a batch belong to its sequences: the rows of a
// sequence follow one another, as many in each.
type Rows struct {
	Sequences int
	Length    int // rows of each sequence
}

// Prefix is an input of a localised slice: keys or values of earlier tokens of
// each sequence, to be read from the cache.
type Prefix struct {
	Node ID // F32 [d, heads, P, sequences]
	// Cache is the handle of the cache's tensor, Ne its shape, and Cells the
	// cells of each sequence, -1 where it has fewer than P.
	Cache uint64
	Ne    [4]int64
	Cells [][]int
	// Transposed caches hold the cells of a channel one after the other, others
	// the channels of a cell.
	Transposed bool
	Channels   int // d times heads
}

// Local is what Localise adds to a slice.
type Local struct {
	Consts   []Const // masks
	Prefixes []Prefix
}

// notLocal reports a graph whose attention is not of the form that
// Localise knows.
func notLocal(n *Node, why string) error {
	return fmt.Errorf("%w: attention at %q %s", ErrGraph, n.Name, why)
}

// Localise rewrites the attention of a slice so that a row attends to its own
// sequence only: to this batch's own keys and values, and to constant ones of
// earlier tokens. A unified cache computes every row against every cell and
// masks nearly all of it away. The slice neither reads nor writes the cache
// then. What values gives of an input must be its value in the decode: row
// indices as integers, masks through mask.
//
// It fails, and s is unchanged, where attention has another form.
func Localise(s *Slice, rows Rows, values Values, mask func(id ID) []float32) (*Slice, *Local, error) {
	l := &localiser{
		old: s, rows: rows, values: values, mask: mask, flow: newFlow(&s.Graph),
		out: &Slice{To: make([]ID, len(s.To))}, to: make([]ID, len(s.Nodes)), role: make([]role, len(s.Nodes)),
		masks: map[string]ID{}, cells: map[ID][][]int{}, local: &Local{},
	}
	for i := range l.out.To {
		l.out.To[i] = None
	}
	for i := range l.to {
		l.to[i] = None
	}
	if err := l.run(); err != nil {
		return nil, nil, err
	}
	return l.out, l.local, nil
}

// role says what a node of the old slice is in attention.
type role uint8

const (
	ordinary role = iota
	scores        // K q, or a function of it: [cells, rows, heads]
	mixed         // V soft-max(scores): [d, rows, heads]
	merged        // that with heads and rows exchanged: [d, heads, rows]
)

type localiser struct {
	old    *Slice
	rows   Rows
	values Values
	mask   func(id ID) []float32
	flow   *flow

	out   *Slice
	to    []ID
	role  []role
	masks map[string]ID
	cells map[ID][][]int // by the row indices of the keys: cells of each sequence
	keys  ID             // row indices of the keys last read
	local *Local
}

func (l *localiser) b() Builder { return Builder{&l.out.Graph} }

// run copies the nodes that the outputs need, attention in its new form.
func (l *localiser) run() error {
	for i := range l.old.Nodes {
		id := ID(i)
		n := &l.old.Nodes[i]
		if n.Kind != Computed {
			continue // copied where it is used
		}
		root := l.old.Root(id)
		if l.old.Nodes[root].Kind == Cache {
			continue // writes are dropped, reads are replaced where they are used
		}
		if err := l.node(id); err != nil {
			return err
		}
	}
	return nil
}

func (l *localiser) node(id ID) error {
	n := &l.old.Nodes[id]
	if n.Op == OpMulMat && l.readsCache(n.Src[0]) {
		if l.role[n.Src[1]] == scores {
			return l.mix(id)
		}
		return l.score(id)
	}
	r := ordinary
	for _, s := range n.Src {
		if s >= 0 && l.role[s] != ordinary {
			r = l.role[s]
		}
	}
	switch r {
	case scores:
		return l.scoreFunction(id)
	case mixed:
		return l.merge(id)
	case merged:
		return l.flatten(id)
	}
	return l.copy(id)
}

func (l *localiser) readsCache(id ID) bool {
	return l.old.Nodes[l.old.Root(id)].Kind == Cache
}

// use is the new id of a source, a leaf being copied at its first use.
func (l *localiser) use(id ID) (ID, error) {
	if l.to[id] >= 0 {
		return l.to[id], nil
	}
	n := l.old.Nodes[id]
	if n.Kind == Computed {
		return None, notLocal(&n, "reads the cache in another way")
	}
	l.pad()
	l.to[id] = l.out.append(n, l.old.From[id], n.Kind == Input)
	return l.to[id], nil
}

func (l *localiser) copy(id ID) error {
	n := l.old.Nodes[id]
	for i, s := range n.Src {
		if s >= 0 {
			to, err := l.use(s)
			if err != nil {
				return err
			}
			n.Src[i] = to
		}
	}
	if n.ViewSrc >= 0 {
		if !n.Op.moves() {
			return notLocal(&n, "writes in place")
		}
		from := Builder{&l.old.Graph}.offset(l.old.Nodes[id].Src[0])
		n.ViewSrc = l.out.Root(n.Src[0])
		n.ViewOffs = n.ViewOffs - from + l.b().offset(n.Src[0])
	}
	l.pad()
	l.to[id] = l.out.append(n, l.old.From[id], false)
	return nil
}

// became notes that new node to stands for old node id.
func (l *localiser) became(id, to ID, r role) {
	l.to[id], l.role[id] = to, r
	l.pad()
}

// pad gives nodes that the builder made no node of the decode.
func (l *localiser) pad() {
	for len(l.out.From) < len(l.out.Nodes) {
		l.out.From = append(l.out.From, None)
	}
}

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
	total := int64(l.rows.Sequences * l.rows.Length)
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
	qn := *b.Node(qs)
	t := int64(l.rows.Length)
	split := b.View(qs, [4]int64{qn.Ne[0], qn.Ne[1], t, total / t}, [4]uint64{qn.Nb[0], qn.Nb[1], qn.Nb[2], qn.Nb[2] * uint64(t)}, 0)
	kq := b.MulMat(b.Permute(keys, [4]int{0, 2, 1, 3}), b.Permute(split, [4]int{0, 2, 1, 3}))
	b.Nodes[kq].Params, b.Nodes[kq].Name = n.Params, n.Name
	l.became(id, kq, scores)
	return nil
}

// sequences is this batch's keys or values, behind those of earlier tokens:
// [d, heads, cells, sequences].
func (l *localiser) sequences(read ID, w *Node, d, heads int64, cells [][]int, transposed bool) (ID, error) {
	src, err := l.use(w.Src[0])
	if err != nil {
		return None, err
	}
	b := l.b()
	t, n := int64(l.rows.Length), int64(l.rows.Sequences)
	if b.Node(src).Elements() != d*heads*t*n {
		return None, notLocal(&l.old.Nodes[read], "pads the cache's rows")
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
	if m == None || len(own) != l.rows.Sequences*l.rows.Length {
		return nil, notLocal(&l.old.Nodes[score], "has no mask")
	}
	values, cells := l.mask(m), l.old.Nodes[m].Ne[0]
	isOwn := map[int]bool{}
	for _, c := range own {
		isOwn[int(c)] = true
	}
	out := make([][]int, l.rows.Sequences)
	most := 0
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
	cells, own := l.cells[l.keys], l.values(l.keys)
	key := fmt.Sprint(m, l.keys)
	if id, ok := l.masks[key]; ok {
		return id, nil
	}
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
	kqv := b.MulMat(b.Cont(b.Permute(values, [4]int{1, 2, 0, 3})), l.to[n.Src[1]])
	b.Nodes[kqv].Params, b.Nodes[kqv].Name = n.Params, n.Name
	l.became(id, kqv, mixed)
	return nil
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
	out := shaped(OpCont, F32, n.Ne, l.to[n.Src[0]])
	out.Name = n.Name
	l.became(id, l.b().push(out), ordinary)
	l.out.From[l.to[id]] = l.old.From[id]
	l.out.To[l.old.From[id]] = l.to[id]
	return nil
}
