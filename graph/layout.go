package graph

import (
	"fmt"
	"slices"
)

// layout says where the elements of an F32 tensor lie: bytes from the start of
// the memory they share with others.
type layout struct {
	offset uint64
	ne     [4]int64
	nb     [4]uint64
}

func (g *Graph) layout(id ID) layout {
	n := g.Node(id)
	return layout{offset: n.ViewOffs, ne: n.Ne, nb: n.Nb}
}

// run is the number of elements, from the first, that lie one after the other.
func (l layout) run() int64 {
	run := int64(1)
	for i, n := range l.ne {
		if n == 1 {
			continue
		}
		if l.nb[i] != uint64(run)*4 {
			break
		}
		run *= n
	}
	return run
}

// address is the position of element i, counted in the order of dimensions.
func (l layout) address(i int64) uint64 {
	a := l.offset
	for k, n := range l.ne {
		a += uint64(i%n) * l.nb[k]
		i /= n
	}
	return a
}

// finder turns an address into the number of the element there.
type finder struct {
	layout
	order [4]int   // dimensions by falling stride
	step  [4]int64 // elements from one index of a dimension to the next
}

func newFinder(l layout) finder {
	f := finder{layout: l, order: [4]int{0, 1, 2, 3}}
	slices.SortStableFunc(f.order[:], func(a, b int) int {
		switch {
		case l.nb[a] > l.nb[b]:
			return -1
		case l.nb[a] < l.nb[b]:
			return 1
		}
		return b - a
	})
	step := int64(1)
	for k, n := range l.ne {
		f.step[k] = step
		step *= n
	}
	return f
}

// find is the element at address, -1 if none starts there.
func (f finder) find(address uint64) int64 {
	if address < f.offset {
		return -1
	}
	rest := address - f.offset
	index := int64(0)
	for _, k := range f.order {
		if f.ne[k] == 1 {
			continue
		}
		i := int64(rest / f.nb[k])
		if i >= f.ne[k] {
			i = f.ne[k] - 1
		}
		rest -= uint64(i) * f.nb[k]
		index += i * f.step[k]
	}
	if rest != 0 {
		return -1
	}
	return index
}

// route says, for runs of w elements of a destination, which run of the source
// has the same addresses; rows[i] is -1 where none has.
type route struct {
	w    int64
	rows []int64
}

// newRoute finds for each element of a tensor the element of the source with
// the same address. address(i) gives the place of element i of n; runs of
// dstRun elements are known to lie one after the other.
func newRoute(src layout, n, dstRun int64, address func(int64) uint64) route {
	f := newFinder(src)
	total := src.ne[0] * src.ne[1] * src.ne[2] * src.ne[3]
	w := gcd(gcd(dstRun, src.run()), total)
	for ; w > 1; w = next(w) {
		if r, ok := tryRoute(f, n, w, address); ok {
			return r
		}
	}
	r, _ := tryRoute(f, n, 1, address)
	return r
}

// tryRoute fails where a run of w elements is not whole in the source.
func tryRoute(f finder, n, w int64, address func(int64) uint64) (route, bool) {
	r := route{w: w, rows: make([]int64, n/w)}
	for i := range r.rows {
		a := address(int64(i) * w)
		e := f.find(a)
		if w > 1 {
			tail := f.find(a + uint64(w-1)*4)
			if (e < 0) != (tail < 0) || e >= 0 && (tail != e+w-1 || e%w != 0) {
				return r, false
			}
			if e < 0 && f.any(a, w) {
				return r, false
			}
		}
		if e >= 0 {
			e /= w
		}
		r.rows[i] = e
	}
	return r, true
}

// any reports whether an element lies at one of w addresses from a on.
func (f finder) any(a uint64, w int64) bool {
	for i := range w {
		if f.find(a+uint64(i)*4) >= 0 {
			return true
		}
	}
	return false
}

// next is the largest proper divisor of w.
func next(w int64) int64 {
	for d := int64(2); d*d <= w; d++ {
		if w%d == 0 {
			return w / d
		}
	}
	return 1
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// gather builds the tensor of shape ne whose runs are picked from g by r, with
// zeros where r has none. idx is a new input; its values are put in consts.
func (b *gradient) gather(g ID, r route, ne [4]int64) ID {
	rows := b.Node(g).Elements() / r.w
	table := b.Reshape(g, Shape2(r.w, rows))
	idx := make([]int32, len(r.rows))
	zeros := false
	for i, row := range r.rows {
		if row < 0 {
			row, zeros = rows, true
		}
		idx[i] = int32(row)
	}
	if zeros {
		table = b.Concat(table, b.zeroRow(r.w), 1)
	}
	id := b.constant(idx, fmt.Sprintf("route %d", len(b.Consts)))
	return b.Reshape(b.GetRows(table, id), ne)
}
