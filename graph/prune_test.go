package graph

import "testing"

// What an output needs stays, views and their memory too; the rest goes.
func TestPrune(t *testing.T) {
	f := newFixture(t)
	x, y := f.leaf(4, 3), f.leaf(4, 3)
	used := f.View(f.Scale(x, 2, 0), shape(4, 2), f.Node(x).Nb, 16)
	out := f.Sqr(used)
	lost := f.Sqr(y)
	s := &Slice{Graph: *f.Graph, Values: []ID{x, y}}
	for i := range s.Nodes {
		s.From = append(s.From, ID(i))
		s.To = append(s.To, ID(i))
	}
	got, to := Prune(s, []ID{out})
	if to[lost] != None || to[y] != None || got.To[lost] != None {
		t.Error("what no output needs is kept")
	}
	if len(got.Values) != 1 || got.Values[0] != to[x] || len(got.Nodes) != len(got.From) {
		t.Errorf("values %v of %d nodes", got.Values, len(got.Nodes))
	}
	if n := got.Node(to[used]); n.ViewSrc != to[s.Node(used).ViewSrc] || n.ViewOffs != 16 {
		t.Errorf("a view of %d at %d", n.ViewSrc, n.ViewOffs)
	}
	if n := got.Node(to[out]); n.Src[0] != to[used] || got.From[to[out]] != out {
		t.Errorf("the output reads %d", n.Src[0])
	}
}
