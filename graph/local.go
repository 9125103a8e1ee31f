package graph

import "fmt"

// Rows says how the rows of a batch belong to its sequences: the rows of a
// sequence follow one another, as many in each.
type Rows struct {
	Sequences int
	Length    int // rows of each sequence
	Prefix    int // least number of earlier tokens to make room for; they are masked where there are fewer
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
	Consts   []Const // masks and row indices
	Prefixes []Prefix
	Shared   []Shared // of a ragged batch
	// Picked holds, for each of a ragged batch's row indices, those whose
	// gradient counts, -1 for the others.
	Picked map[ID][]int64
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
	return localise(s, rows, nil, values, mask)
}

func localise(s *Slice, rows Rows, ragged *Ragged, values Values, mask func(id ID) []float32) (*Slice, *Local, error) {
	l := &localiser{
		old: s, rows: rows, ragged: ragged, values: values, mask: mask, flow: newFlow(&s.Graph),
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
	ragged *Ragged
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
