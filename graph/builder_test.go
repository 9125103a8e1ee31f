package graph

import (
	"math"
	"slices"
	"testing"
)

// What ggml would assert on panics before it reaches ggml.
func TestBuilderPanics(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(f *fixture)
	}{
		{"ADD of other widths", func(f *fixture) { f.Add(f.leaf(4, 3), f.leaf(3, 3)) }},
		{"ADD to a shorter operand", func(f *fixture) { f.Add(f.leaf(4), f.leaf(4, 3)) }},
		{"MUL over no whole repeats", func(f *fixture) { f.Mul(f.leaf(4, 3), f.leaf(4, 2)) }},
		{"MUL_MAT of other lengths", func(f *fixture) { f.MulMat(f.leaf(4, 3), f.leaf(3, 3)) }},
		{"MUL_MAT of heads that do not group", func(f *fixture) { f.MulMat(f.leaf(4, 3, 2), f.leaf(4, 3, 3)) }},
		{"MUL_MAT of streams that do not group", func(f *fixture) { f.MulMat(f.leaf(4, 3, 2, 2), f.leaf(4, 3, 2, 3)) }},
		{"GET_ROWS by numbers", func(f *fixture) { f.GetRows(f.leaf(4, 3), f.leaf(2)) }},
		{"GET_ROWS by long indices", func(f *fixture) { f.GetRows(f.leaf(4, 3), f.indices(I64, 1)) }},
		{"GET_ROWS of matrices", func(f *fixture) { f.GetRows(f.leaf(4, 3, 2), f.indices(I32, 1)) }},
		{"SET_ROWS by short indices", func(f *fixture) { f.SetRows(f.leaf(4, 3), f.leaf(4, 1), f.indices(I32, 1)) }},
		{"SET_ROWS of another width", func(f *fixture) { f.SetRows(f.leaf(4, 3), f.leaf(3, 1), f.indices(I64, 1)) }},
		{"SET_ROWS of more rows than indices", func(f *fixture) { f.SetRows(f.leaf(4, 3), f.leaf(4, 2), f.indices(I64, 1)) }},
		{"CONCAT of other widths", func(f *fixture) { f.Concat(f.leaf(4, 3), f.leaf(3, 3), 1) }},
		{"RESHAPE to other sizes", func(f *fixture) { f.Reshape(f.leaf(4, 3), Shape2(4, 4)) }},
		{"CPY to another shape", func(f *fixture) { f.Store(f.leaf(4, 3), f.leaf(3, 4)) }},
		{"an input of a packed type", func(f *fixture) { f.Input(Q8_0, shape(32), "x") }},
		{"RESHAPE of packed rows", func(f *fixture) { f.Reshape(f.weight(Q8_0, "w", 32, 2), shape(64)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			c.do(newFixture(t))
		})
	}
}

// Cont copies nothing that lies in order already.
func TestCont(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 3)
	if f.Cont(x) != x {
		t.Error("a contiguous leaf is copied")
	}
	if c := f.Cont(f.Transpose(x)); f.Node(c).Op != OpCont {
		t.Errorf("a transposed matrix becomes %v", f.Node(c))
	}
	v := f.Transpose(f.leaf(4, 1, 2)) // [1, 4, 2] with a first stride of 16
	c := f.Cont(v)
	if n := f.Node(c); n.Op != OpReshape || n.Ne != f.Node(v).Ne || n.Nb != [4]uint64{4, 4, 16, 32} {
		t.Errorf("a transposed vector becomes %v with strides %v", n, n.Nb)
	}
	if n := f.Node(f.Own(x)); n.Kind != Computed || n.Op.moves() {
		t.Errorf("an own copy of a leaf is %v", n)
	}
	if w := f.weight(Q8_0, "w", 32, 2); f.Cont(w) != w {
		t.Error("a packed weight is copied")
	}
}

// Views of views address the tensor that owns the memory.
func TestMoves(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(6, 4)
	y := f.View(x, shape(3, 2), f.Node(x).Nb, 24+4)
	z := f.Transpose(f.View(y, shape(2, 2), f.Node(y).Nb, 4))
	n := f.Node(z)
	if n.ViewSrc != x || n.ViewOffs != 24+4+4 || f.Root(z) != x {
		t.Errorf("%v looks at byte %d of node %d", n, n.ViewOffs, n.ViewSrc)
	}
	s := f.evaluate(len(f.Nodes), nil)
	v := f.values[x]
	if got := s.read(z); !slices.Equal(got, []float64{v[6+2], v[12+2], v[6+3], v[12+3]}) {
		t.Errorf("a view of a view reads %v", got)
	}
	if w := f.View(x, shape(1), f.Node(x).Nb, 5<<32); f.Node(w).Params[0] != 0 || f.Node(w).Params[1] != 5 {
		t.Errorf("a far offset is packed as %v", f.Node(w).Params[:2])
	}
}

func TestStore(t *testing.T) {
	f := newFixture(t)
	x, dst := f.leaf(3, 2), f.leaf(3, 4)
	f.Store(f.Scale(x, 2, 0), f.View(dst, shape(3, 2), f.Node(dst).Nb, 12))
	s := f.evaluate(len(f.Nodes), nil)
	for i, v := range s.read(dst) {
		want := f.values[dst][i]
		if i >= 3 && i < 9 {
			want = 2 * f.values[x][i-3]
		}
		if v != want {
			t.Errorf("element %d is %g, not %g", i, v, want)
		}
	}
}

// The operators that edits build with mean what they say.
func TestBuilderValues(t *testing.T) {
	f := newFixture(t)
	x, y := f.leaf(4, 3), f.leaf(4, 3)
	sum := f.Add(x, y)
	fill := f.Fill(x, 2.5)
	clamp := f.Clamp(x, -0.25, 0.5)
	mean, soft := f.Mean(x), f.SoftMax(x)
	rows := f.WeightRows(f.weight(Q8_0, "w", 4, 5), 2, 2, func(v []int32, _ string) ID {
		return f.indices(I32, int64(v[0]), int64(v[1]))
	})
	s := f.evaluate(len(f.Nodes), nil)
	for i, v := range f.values[x] {
		if s.read(sum)[i] != v+f.values[y][i] || s.read(fill)[i] != 2.5 || s.read(clamp)[i] != min(max(v, -0.25), 0.5) {
			t.Errorf("element %d is wrong", i)
		}
	}
	if got, want := s.read(mean)[1], total(f.values[x][4:8])/4; math.Abs(got-want) > 1e-15 {
		t.Errorf("the mean is %g, not %g", got, want)
	}
	if got := total(s.read(soft)); math.Abs(got-3) > 1e-12 {
		t.Errorf("three rows of a softmax sum to %g", got)
	}
	if w := f.Node(rows).Src[0]; !slices.Equal(s.read(rows), f.values[w][8:16]) {
		t.Error("rows of a weight are others")
	}
}
