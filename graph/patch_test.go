package graph

import (
	"slices"
	"testing"
)

// A patched site is read through its patch by whatever read it, views
// included; the rest of the slice is as it was.
func TestOverwriteRows(t *testing.T) {
	s := &Slice{To: []ID{0, 1, 2, 3}, From: []ID{0, 1, 2, 3}, Values: []ID{0}}
	b := Builder{&s.Graph}
	x := b.Input(F32, Shape2(4, 3), "x")
	y := b.Scale(x, 2, 0)
	v := b.View(y, Shape2(2, 3), b.Node(y).Nb, 8)
	z := b.Add(y, y)
	out, p, to := OverwriteRows(s, y, 2)
	if n := out.Node(p.Rows); n.Kind != Input || n.Type != I64 || n.Ne != Shape2(2, 1) {
		t.Errorf("rows are %v", n)
	}
	if n := out.Node(p.Value); n.Kind != Input || n.Ne != Shape2(4, 2) {
		t.Errorf("value is %v", n)
	}
	set := out.Node(to[y])
	if set.Op != OpSetRows || set.Src[0] != p.Value || set.Src[1] != p.Rows || out.Node(set.Src[2]).Op != OpScale || set.ViewSrc != set.Src[2] {
		t.Fatalf("the patched value is %v", set)
	}
	if n := out.Node(to[z]); n.Src[0] != to[y] || n.Src[1] != to[y] {
		t.Errorf("a reader reads %v, not %d", n.Src[:2], to[y])
	}
	if n := out.Node(to[v]); n.Src[0] != to[y] || n.ViewSrc != set.ViewSrc || n.ViewOffs != 8 {
		t.Errorf("a view looks at %d+%d, not %d+8", n.ViewSrc, n.ViewOffs, set.ViewSrc)
	}
	if to[x] != 0 || len(out.Values) != 1 || out.Values[0] != to[x] || out.To[z] != to[z] {
		t.Errorf("inputs or ids moved: %v, %v", out.Values, out.To)
	}
	for i := range out.Nodes {
		out.sources(ID(i), func(src ID) {
			if src >= ID(i) {
				t.Errorf("node %d reads node %d before it is made", i, src)
			}
		})
	}
}

// A cast weight is multiplied by its values in another type, made ahead of the
// product; a weight that is read in another way, too, stays.
func TestCastWeights(t *testing.T) {
	f := newFixture(t)
	w, tied := f.weight(Q8_0, "w", 4, 3), f.weight(Q8_0, "tied", 4, 5)
	x := f.leaf(4, 2)
	y := f.MulMat(w, x)
	z := f.MulMat(tied, x)
	rows := f.GetRows(tied, f.indices(I32, 1, 0))
	s := &Slice{Graph: *f.Graph}
	for i := range s.Nodes {
		s.From, s.To = append(s.From, ID(i)), append(s.To, ID(i))
	}
	out, consts, to := CastWeights(s, BF16, func(*Node) bool { return true })
	cast := out.Node(out.Node(to[y]).Src[0])
	if cast.Op != OpCpy || cast.Type != BF16 || cast.Ne != s.Node(w).Ne {
		t.Fatalf("the product reads %v", cast)
	}
	values := out.Node(cast.Src[0])
	if values.Op != OpGetRows || values.Src[0] != out.To[w] || len(consts) != 1 || values.Src[1] != consts[0].Node {
		t.Errorf("the cast is of %v, consts %v", values, consts)
	}
	if !slices.Equal(consts[0].I32, []int32{0, 1, 2}) {
		t.Errorf("rows %v of the weight are cast", consts[0].I32)
	}
	for _, id := range []ID{z, rows} {
		if out.Node(to[id]).Src[0] != out.To[tied] {
			t.Errorf("%v does not read the tied weight itself", out.Node(to[id]))
		}
	}
	if out.Node(to[y]).Src[1] != to[x] {
		t.Errorf("the product multiplies %v", out.Node(out.Node(to[y]).Src[1]))
	}
}

// Queries meet keys of the cache in contiguous memory; nothing else is copied.
func TestPackQueries(t *testing.T) {
	d := newToy(newFixture(t), preNorm, 2, 0)
	s, err := Cut(d.Graph, nil, []ID{d.want.Logits})
	if err != nil {
		t.Fatal(err)
	}
	out, _ := PackQueries(s)
	met := 0
	for i := range out.Nodes {
		n := &out.Nodes[i]
		if n.Kind != Computed || n.Op != OpMulMat || out.Node(out.Root(n.Src[0])).Kind != Cache {
			continue
		}
		if met++; !out.Node(n.Src[1]).Contiguous() {
			t.Errorf("%v reads %v", n, out.Node(n.Src[1]))
		}
	}
	if met != 4 || len(out.Nodes) != len(s.Nodes)+2 {
		t.Errorf("%d products with the cache, %d nodes of %d", met, len(out.Nodes), len(s.Nodes))
	}
	if again, _ := PackQueries(out); len(again.Nodes) != len(out.Nodes) {
		t.Errorf("packed again: %d nodes of %d", len(again.Nodes), len(out.Nodes))
	}
}
