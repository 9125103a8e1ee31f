package graph

import "testing"

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
