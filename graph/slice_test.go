package graph

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// handles gives every leaf of a kind a handle, as a captured decode has.
func (f *fixture) handles(kinds ...Kind) {
	for i := range f.Nodes {
		if slices.Contains(kinds, f.Nodes[i].Kind) {
			f.Nodes[i].Handle = uint64(i) + 1000
		}
	}
}

// replay runs a slice on the values that a decode had: what the decode computed
// for the slice's inputs, its weights, and its cache as the decode left it.
func replay(t *testing.T, f *fixture, s *Slice, decode *state) *state {
	t.Helper()
	out := newState(&s.Graph)
	for i := range s.Nodes {
		id, from := ID(i), s.From[i]
		switch s.Nodes[i].Kind {
		case Input:
			if !slices.Contains(s.Values, id) {
				t.Errorf("input %v is not among the values to keep", s.Node(id))
			}
			out.write(id, decode.read(from))
		case Weight, Cache:
			if s.Nodes[i].Handle != f.Nodes[from].Handle {
				t.Errorf("%v has lost its handle", s.Node(id))
			}
			out.write(id, decode.read(from))
		}
	}
	before := map[ID][]float64{}
	for _, id := range s.Values {
		before[id] = out.read(id)
	}
	out.run(len(s.Nodes))
	for id, v := range before {
		if !slices.Equal(v, out.read(id)) {
			t.Errorf("a run changes its input %v", s.Node(id))
		}
	}
	return out
}

func sameValues(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, not %d", what, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: element %d is %g, not %g", what, i, got[i], want[i])
		}
	}
}

// A slice below any site repeats the decode exactly, and holds sites' maps.
func TestCutRepeatsTheDecode(t *testing.T) {
	for name, b := range blocks {
		d := newToy(newFixture(t), b, 3, 1)
		d.handles(Weight, Cache)
		decode := d.evaluate(len(d.Nodes), nil)
		sites := []ID{d.want.Embedding}
		for _, l := range d.want.Layers {
			sites = append(sites, l.Key, l.FFN, l.Attention, l.Residual)
		}
		for _, site := range sites {
			s, err := Cut(d.Graph, []ID{site}, []ID{d.want.Logits})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			d.soundSlice(s, site)
			run := replay(t, d.fixture, s, decode)
			for i := range s.Nodes {
				if s.Nodes[i].Kind == Computed && s.Nodes[i].Op != OpSetRows {
					sameValues(t, name, run.read(ID(i)), decode.read(s.From[i]))
				}
			}
		}
	}
}

// soundSlice checks the maps of a slice and what it keeps.
func (d *toy) soundSlice(s *Slice, site ID) {
	d.t.Helper()
	if n := s.Node(s.To[site]); n.Kind != Input || !slices.Contains(s.Values, s.To[site]) {
		d.t.Errorf("the site is %v", n)
	}
	dep := newFlow(d.Graph).dependents([]ID{site})
	for i, to := range s.To {
		if to >= 0 && s.From[to] != ID(i) {
			d.t.Errorf("node %d goes to %d, which comes from %d", i, to, s.From[to])
		}
		kept := to >= 0 && s.Nodes[to].Kind == Computed && !s.Nodes[to].Op.moves()
		if kept && !dep[i] {
			d.t.Errorf("%v is kept although it does not depend on the site", d.Node(ID(i)))
		}
	}
	f := fixture{Builder: Builder{&s.Graph}, t: d.t}
	f.sound(0)
}

// The rows after a changed site follow it through the cache: a changed slice
// is a decode with the change.
func TestCutFollowsTheCache(t *testing.T) {
	d := newToy(newFixture(t), preNorm, 2, 0)
	site := d.want.Layers[0].FFN
	s, err := Cut(d.Graph, []ID{site}, []ID{d.want.Logits})
	if err != nil {
		t.Fatal(err)
	}
	decode := d.evaluate(len(d.Nodes), nil)
	changed := decode.read(site)
	changed[0] += 0.75 // the first row: the last can see it through the cache only
	out := newState(&s.Graph)
	for i := range s.Nodes {
		switch {
		case ID(i) == s.To[site]:
			out.write(ID(i), changed)
		case s.Nodes[i].Kind != Computed:
			out.write(ID(i), decode.read(s.From[i]))
		}
	}
	out.run(len(s.Nodes))
	want := newState(d.Graph)
	for id, v := range d.values {
		want.write(id, v)
	}
	for i := range d.Nodes {
		if d.Nodes[i].Kind == Computed {
			want.compute(ID(i))
		}
		if ID(i) == site {
			want.write(site, changed)
		}
	}
	got := out.read(s.To[d.want.Logits])
	sameValues(t, "logits", got, want.read(d.want.Logits))
	if got[toyVocab] == decode.read(d.want.Logits)[toyVocab] {
		t.Error("the last row does not see the change of the first")
	}
	writes := 0
	for i := range s.Nodes {
		if s.Nodes[i].Op == OpSetRows {
			writes++
			if s.Nodes[s.Root(ID(i))].Kind != Cache {
				t.Errorf("%v does not write to the cache", s.Node(ID(i)))
			}
		}
	}
	if writes != 2 { // keys and values of the second layer
		t.Errorf("%d writes to the cache", writes)
	}
}

// Without a site the slice is all that the outputs need.
func TestCutWithoutSite(t *testing.T) {
	d := newToy(newFixture(t), preNorm, 2, 0)
	unused := d.Sqr(d.want.Embedding)
	s, err := Cut(d.Graph, nil, []ID{d.want.Layers[0].FFN})
	if err != nil {
		t.Fatal(err)
	}
	if s.To[unused] != None || s.To[d.want.Layers[1].FFN] != None {
		t.Error("what no output needs is kept")
	}
	decode := d.evaluate(len(d.Nodes), nil)
	run := replay(t, d.fixture, s, decode)
	sameValues(t, "FFN", run.read(s.To[d.want.Layers[0].FFN]), decode.read(d.want.Layers[0].FFN))
}

func TestCutRefusesOutputsAbove(t *testing.T) {
	d := newToy(newFixture(t), preNorm, 2, 0)
	_, err := Cut(d.Graph, []ID{d.want.Layers[1].FFN}, []ID{d.want.Logits, d.want.Layers[0].FFN})
	if !errors.Is(err, ErrGraph) {
		t.Errorf("got %v", err)
	}
}

// Two sites, one below the other: both are inputs, and what only the upper one
// reaches through the lower is cut.
func TestCutSeveralSites(t *testing.T) {
	d := newToy(newFixture(t), preNorm, 3, 0)
	upper, lower := d.want.Layers[0].Residual, d.want.Layers[1].Residual
	s, err := Cut(d.Graph, []ID{upper, lower}, []ID{d.want.Logits})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []ID{upper, lower} {
		if s.Node(s.To[id]).Kind != Input {
			t.Errorf("%v is no input", d.Node(id))
		}
	}
	decode := d.evaluate(len(d.Nodes), nil)
	sameValues(t, "logits", replay(t, d.fixture, s, decode).read(s.To[d.want.Logits]), decode.read(d.want.Logits))
}

// An operator that works in place gets memory of its own, wherever its operands
// come to lie in the slice; a copy into a stored tensor goes on writing there.
func TestCutInPlace(t *testing.T) {
	for padding := range 6 {
		f := newFixture(t)
		for range padding { // shifts the numbers of nodes against those of the slice
			f.leaf(1)
		}
		x := f.leaf(4, 3)
		site := f.Sqr(x)
		y := f.Sqr(f.leaf(4, 3))
		inPlace := f.op(OpAdd, shape(4, 3), site, y)
		f.Nodes[inPlace].ViewSrc = site
		row := f.View(inPlace, shape(4, 1), f.Node(inPlace).Nb, 16)
		out := f.Add(f.Scale(row, 2, 0), row)
		s, err := Cut(f.Graph, []ID{site}, []ID{out})
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Node(s.To[inPlace]); n.ViewSrc != None {
			t.Errorf("with %d leaves before it %v writes over node %d", padding, n, n.ViewSrc)
		}
		run := newState(&s.Graph)
		a, b := f.random(shape(4, 3)), f.random(shape(4, 3))
		run.write(s.To[site], a)
		run.write(s.To[y], b)
		run.run(len(s.Nodes))
		for i, v := range run.read(s.To[out]) {
			if want := 3 * (a[4+i] + b[4+i]); math.Abs(v-want) > 1e-12 {
				t.Errorf("element %d is %g, not %g", i, v, want)
			}
		}
		sameValues(t, "the site", run.read(s.To[site]), a)
	}
}

func TestCutKeepsStores(t *testing.T) {
	for padding := range 6 {
		f := newFixture(t)
		dst := f.weight(F32, "kept", 4, 6)
		for range padding {
			f.leaf(1)
		}
		site := f.Sqr(f.leaf(4, 3))
		store := f.Store(f.Scale(site, 2, 0), f.View(dst, shape(4, 3), f.Node(dst).Nb, 16))
		s, err := Cut(f.Graph, []ID{site}, []ID{store})
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Node(s.To[store]); n.ViewSrc != s.To[dst] || n.ViewOffs != 16 {
			t.Errorf("with %d leaves before it the copy goes to byte %d of node %d", padding, n.ViewOffs, n.ViewSrc)
		}
	}
}

// Rows set in a value of the graph cannot be: its other rows would be lost.
func TestCutRefusesPartialWrites(t *testing.T) {
	f := newFixture(t)
	site := f.Sqr(f.leaf(4, 2))
	w := f.SetRows(f.Sqr(f.leaf(4, 6)), site, f.indices(I64, 1, 3))
	f.Nodes[w].Name = "mask"
	_, err := Cut(f.Graph, []ID{site}, []ID{f.Sqr(w)})
	if !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), "mask") {
		t.Errorf("got %v", err)
	}
}

// Order alone links a write to the cache with a later read: an earlier read
// depends on nothing that was written.
func TestFlowThroughTheCache(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 2)
	c := f.cache(4, 6)
	all := func() ID { return f.View(c, shape(4, 6), f.Node(c).Nb, 0) }
	early := all()
	other := f.SetRows(f.cache(4, 6), x, f.indices(I64, 0, 1))
	w := f.SetRows(c, x, f.indices(I64, 3, 1))
	late := f.Transpose(all())
	flow := newFlow(f.Graph)
	if len(flow.writers[early]) != 0 || !slices.Equal(flow.writers[late], []ID{w}) {
		t.Errorf("writers of the early read %v, of the late %v", flow.writers[early], flow.writers[late])
	}
	dep := flow.dependents([]ID{x})
	if dep[early] || !dep[w] || !dep[other] || !dep[late] || dep[c] {
		t.Error("a read depends on what is written later, or not on what was written before")
	}
	need := flow.needed([]ID{late})
	if !need[w] || !need[x] || need[other] {
		t.Error("a read needs the rows written before it, and of its own cache only")
	}
}
