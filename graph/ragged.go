package graph

import "fmt"

// Ragged says how a batch's rows belong to runs of one prompt that begin at
// different tokens. What a run's earlier tokens have for keys and values is
// taken from the rows of another batch, the base, or from another run of this
// one.
type Ragged struct {
	Runs   int
	Length int // tokens of the prompt, T
	// Padded is the number of keys of a run, T or more: kernels are many times
	// faster on sums of a round number of terms. The mask hides the rest.
	Padded int
	Base   int // rows of the base; 0 without one
	// Query is the row of each token of each run [Runs x T]; any row where the
	// run begins later.
	Query []int32
	// Keys is the row of each key of each run [Runs x Padded] among the base's
	// rows followed by this batch's.
	Keys []int32
	// Out is the place [Runs x T] of each row.
	Out []int32
}

// Shared is keys or values of a ragged batch.
type Shared struct {
	Own  ID // [channels, rows]: this batch's
	Base ID // input [channels, Base]: the base's; None without one
}

// LocaliseRagged is Localise for runs that begin at different tokens. mask
// gives a mask of the slice for one whole run, [Padded, T].
func LocaliseRagged(s *Slice, r Ragged, values Values, mask func(id ID) []float32) (*Slice, *Local, error) {
	n := r.Runs * r.Length
	if r.Runs < 1 || len(r.Query) != n || r.Padded < r.Length || len(r.Keys) != r.Runs*r.Padded || len(r.Out) == 0 || len(r.Out) > n {
		return nil, nil, fmt.Errorf("%w: %d rows of %d runs of %d tokens", ErrGraph, len(r.Out), r.Runs, r.Length)
	}
	return localise(s, Rows{Sequences: r.Runs, Length: r.Length}, &r, values, mask)
}

// rowsOf picks rows of x [channels, ...] by index. counts says of which places
// the gradient counts.
func (r *Ragged) rowsOf(l *localiser, x ID, channels int64, index []int32, name string, counts func(place int) bool) ID {
	b := l.b()
	idx, ok := l.masks[name]
	if !ok {
		idx = b.Input(I32, Shape2(int64(len(index)), 1), name)
		l.local.Consts = append(l.local.Consts, Const{Node: idx, I32: index})
		l.masks[name] = idx
		picked := make([]int64, len(index))
		for i, row := range index {
			if picked[i] = int64(row); !counts(i) {
				picked[i] = -1
			}
		}
		if l.local.Picked == nil {
			l.local.Picked = map[ID][]int64{}
		}
		l.local.Picked[idx] = picked
	}
	return b.GetRows(b.Reshape(x, Shape2(channels, b.Node(x).Elements()/channels)), idx)
}

// queries spreads the rows [d, heads, rows] over whole runs.
func (r *Ragged) queries(l *localiser, q ID) ID {
	b := l.b()
	n := *b.Node(q)
	// a place before a run's begin repeats a row, and nothing reads it
	rows := r.rowsOf(l, q, n.Ne[0]*n.Ne[1], r.Query, "query rows", func(place int) bool {
		return r.Out[r.Query[place]] == int32(place)
	})
	return b.Reshape(rows, [4]int64{n.Ne[0], n.Ne[1], int64(r.Length), int64(r.Runs)})
}

// sequences is the keys or values of whole runs.
func (r *Ragged) sequences(l *localiser, own ID, d, heads int64) ID {
	b := l.b()
	channels := d * heads
	s := Shared{Own: b.Reshape(own, Shape2(channels, int64(len(r.Out)))), Base: None}
	all := s.Own
	if r.Base > 0 {
		s.Base = b.Input(F32, Shape2(channels, int64(r.Base)), "base")
		all = b.Concat(s.Base, s.Own, 1)
	}
	l.local.Shared = append(l.local.Shared, s)
	// runs share the base's rows, which are constants, and padding is masked
	rows := r.rowsOf(l, all, channels, r.Keys, "key rows", func(place int) bool {
		own := r.Keys[place] - int32(r.Base)
		token := place % r.Padded
		return own >= 0 && token < r.Length && r.Out[own] == int32(place/r.Padded*r.Length+token)
	})
	return b.Reshape(rows, [4]int64{d, heads, int64(r.Padded), int64(r.Runs)})
}

// localMask is the same for every run.
func (r *Ragged) localMask(l *localiser, mask []float32) ID {
	b := l.b()
	id := b.Input(F32, Shape2(int64(r.Padded), int64(r.Length)), "mask")
	l.local.Consts = append(l.local.Consts, Const{Node: id, F32: mask})
	return id
}

// flatten picks the batch's rows out of whole runs [d, heads, T, runs].
func (r *Ragged) flatten(l *localiser, x ID, ne [4]int64) ID {
	b := l.b()
	n := *b.Node(x)
	return b.Reshape(r.rowsOf(l, x, n.Ne[0]*n.Ne[1], r.Out, "output rows", func(int) bool { return true }), ne)
}
