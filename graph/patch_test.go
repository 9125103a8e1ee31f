package graph

import "testing"

// A patched site is read through its patch by whatever read it, views
// included; the rest of the slice is as it was.
func TestOverwrite(t *testing.T) {
	s := &Slice{To: []ID{0, 1, 2, 3}, From: []ID{0, 1, 2, 3}, Values: []ID{0}}
	b := Builder{&s.Graph}
	x := b.Input(F32, Shape2(4, 3), "x")
	y := b.Scale(x, 2, 0)
	v := b.View(y, Shape2(2, 3), b.Node(y).Nb, 8)
	z := b.Add(y, y)
	out, patches, to := Overwrite(s, []ID{y})
	if len(patches) != 1 {
		t.Fatalf("%d patches", len(patches))
	}
	p := patches[0]
	if n := out.Node(p.Keep); n.Kind != Input || n.Ne != Shape2(1, 3) {
		t.Errorf("keep is %v", n)
	}
	if n := out.Node(p.Value); n.Kind != Input || n.Ne != Shape2(4, 3) {
		t.Errorf("value is %v", n)
	}
	sum := out.Node(to[y])
	if sum.Op != OpAdd || sum.Src[1] != p.Value {
		t.Fatalf("the patched value is %v", sum)
	}
	product := out.Node(sum.Src[0])
	if product.Op != OpMul || product.Src[1] != p.Keep || out.Node(product.Src[0]).Op != OpScale {
		t.Errorf("the kept value is %v", product)
	}
	if n := out.Node(to[z]); n.Src[0] != to[y] || n.Src[1] != to[y] {
		t.Errorf("a reader reads %v, not %d", n.Src[:2], to[y])
	}
	if n := out.Node(to[v]); n.Src[0] != to[y] || n.ViewSrc != to[y] || n.ViewOffs != 8 {
		t.Errorf("a view looks at %d+%d, not %d+8", n.ViewSrc, n.ViewOffs, to[y])
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
