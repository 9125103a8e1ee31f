package graph

import (
	"math/rand/v2"
	"testing"
)

// randomLayout is an injective view of a contiguous tensor: slabs of some
// dimensions, permuted.
func randomLayout(rng *rand.Rand) layout {
	var whole, ne [4]int64
	offset := uint64(0)
	for i := range whole {
		whole[i] = 1 + rng.Int64N(5)
	}
	nb, _ := contiguousStrides(F32, whole)
	for i := range ne {
		ne[i] = 1 + rng.Int64N(whole[i])
		if rng.IntN(3) > 0 {
			ne[i] = whole[i]
		}
		offset += uint64(rng.Int64N(whole[i]-ne[i]+1)) * nb[i]
	}
	l := layout{offset: offset}
	for i, a := range rng.Perm(4) {
		l.ne[a], l.nb[a] = ne[i], nb[i]
	}
	return l
}

func (l layout) elements() int64 { return l.ne[0] * l.ne[1] * l.ne[2] * l.ne[3] }

func TestFinder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		l := randomLayout(rng)
		f := newFinder(l)
		at := map[uint64]int64{}
		for i := range l.elements() {
			at[l.address(i)] = i
		}
		if int64(len(at)) != l.elements() {
			t.Fatalf("%+v is not injective", l)
		}
		for a := uint64(0); a < 4*700; a++ {
			want, ok := at[a]
			if !ok {
				want = -1
			}
			if got := f.find(a); got != want {
				t.Fatalf("%+v: find(%d) is %d, not %d", l, a, got, want)
			}
		}
	}
}

func TestRun(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	for range 300 {
		l := randomLayout(rng)
		run := l.run()
		if l.elements()%run != 0 {
			t.Fatalf("%+v has runs of %d", l, run)
		}
		for i := range l.elements() {
			if i%run != 0 && l.address(i) != l.address(i-1)+4 {
				t.Fatalf("%+v: elements %d and %d are apart in runs of %d", l, i-1, i, run)
			}
		}
	}
}

// A route gathers what scattering every element to its address would put there.
func TestRoute(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	wide := 0
	for range 1000 {
		src, dst := randomLayout(rng), randomLayout(rng)
		n, total := dst.elements(), src.elements()
		memory := map[uint64]int64{}
		for i := range total {
			memory[src.address(i)] = i
		}
		r := newRoute(src, n, dst.run(), dst.address)
		if n%r.w != 0 || int64(len(r.rows))*r.w != n || total%r.w != 0 {
			t.Fatalf("%d runs of %d for %d elements from %d", len(r.rows), r.w, n, total)
		}
		for i := range n {
			want, ok := memory[dst.address(i)]
			if !ok {
				want = -1
			}
			got := r.rows[i/r.w]
			if got >= 0 {
				got = got*r.w + i%r.w
			}
			if got != want {
				t.Fatalf("from %+v to %+v: element %d comes from %d, not %d", src, dst, i, got, want)
			}
		}
		if r.w > 1 {
			wide++
		}
	}
	if wide < 50 {
		t.Errorf("only %d routes move more than one element at a time", wide)
	}
}

// Where all lies in order, a route moves as much at a time as there is.
func TestRouteWidth(t *testing.T) {
	whole := layout{ne: shape(8, 6, 2), nb: [4]uint64{4, 32, 192, 384}}
	for _, c := range []struct {
		name string
		part layout
		want int64
	}{
		{"all", whole, 96},
		{"rows", layout{offset: 64, ne: shape(8, 2, 2), nb: whole.nb}, 16},
		{"columns", layout{offset: 16, ne: shape(4, 6, 2), nb: whole.nb}, 4},
		{"odd columns", layout{offset: 4, ne: shape(3, 6, 2), nb: whole.nb}, 1},
	} {
		r := newRoute(c.part, whole.elements(), whole.run(), whole.address)
		if r.w != c.want {
			t.Errorf("%s: runs of %d, not %d", c.name, r.w, c.want)
		}
	}
}

func TestContiguous(t *testing.T) {
	for _, c := range []struct {
		name string
		n    Node
		want bool
	}{
		{"matrix", Node{Ne: shape(3, 2), Nb: [4]uint64{4, 12, 24, 24}}, true},
		{"column of a wider matrix", Node{Ne: shape(3, 2), Nb: [4]uint64{4, 16, 32, 32}}, false},
		{"row of a wider matrix", Node{Ne: shape(3, 1), Nb: [4]uint64{4, 16, 32, 32}}, true},
		{"transposed", Node{Ne: shape(3, 2), Nb: [4]uint64{8, 4, 24, 24}}, false},
		{"packed", Node{Type: Q8_0, Ne: shape(32, 3), Nb: [4]uint64{34, 34, 102, 102}}, true},
		{"part of packed rows", Node{Type: Q8_0, Ne: shape(32, 3, 2), Nb: [4]uint64{34, 34, 204, 408}}, false},
	} {
		if got := c.n.Contiguous(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
