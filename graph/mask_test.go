package graph

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestFindAttention(t *testing.T) {
	for name, b := range blocks {
		d := newToyOf(newFixture(t), b, 3)
		at, err := FindAttention(d.Graph, &d.want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		before := d.want.Embedding
		for i, a := range at {
			if n := d.Node(a.SoftMax); n.Op != OpSoftMax || a.SoftMax <= before || a.SoftMax >= d.want.Layers[i].Attention {
				t.Errorf("%s, layer %d: soft-max %d is %v", name, i, a.SoftMax, n)
			}
			if a.Mask != d.mask || !slices.Equal(d.known[a.Cells], d.slots) {
				t.Errorf("%s, layer %d: mask %v, cells %v", name, i, d.Node(a.Mask), d.known[a.Cells])
			}
			before = d.want.Layers[i].Attention
		}
	}
}

// Attention of another form is refused by its layer.
func TestFindAttentionRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(d *toy, a Attention)
	}{
		{"no mask", "no mask", func(d *toy, a Attention) { d.Nodes[a.SoftMax].Src[1] = None }},
		{"a mask of one row", "each sequence", func(d *toy, a Attention) { d.Nodes[a.Mask].Ne[1] = 1 }},
		{"no soft-max", "no soft-max", func(d *toy, a Attention) { d.Nodes[a.SoftMax].Op = OpRelu }},
		{"two", "more than one", func(d *toy, a Attention) { d.Nodes[d.Nodes[a.SoftMax].Src[0]].Op = OpSoftMax }},
		{"keys of its own", "does not read keys", func(d *toy, a Attention) {
			keys := d.Nodes[d.Nodes[a.SoftMax].Src[0]].Src[0]
			d.Nodes[d.Root(keys)].Kind = Weight
		}},
		{"one row", "by rows", func(d *toy, a Attention) { d.Nodes[a.Cells].Ne[0] = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newToyOf(newFixture(t), preNorm, 2)
			at, err := FindAttention(d.Graph, &d.want)
			if err != nil {
				t.Fatal(err)
			}
			c.change(d, at[1])
			if _, err := FindAttention(d.Graph, &d.want); !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// With masks of their own the layers compute what they did; a mask changed in
// every layer is the decode with that mask, and one changed in a layer changes
// nothing in front of it.
func TestOwnMasks(t *testing.T) {
	for name, block := range blocks {
		d := newToyOf(newFixture(t), block, 3)
		d.handles(Weight, Cache)
		decode := d.evaluate(len(d.Nodes), nil)
		at, err := FindAttention(d.Graph, &d.want)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Cut(d.Graph, nil, []ID{d.want.Logits})
		if err != nil {
			t.Fatal(err)
		}
		var softMax []ID
		for _, a := range at {
			softMax = append(softMax, s.To[a.SoftMax])
		}
		out, masks, to := OwnMasks(s, softMax)
		f := fixture{Builder: Builder{&out.Graph}, t: t}
		f.sound(0)
		for i := range s.Nodes {
			if out.From[to[i]] != s.From[i] || out.To[s.From[i]] != to[i] {
				t.Fatalf("%s: node %d of the slice is lost", name, i)
			}
		}
		clean := decode.read(d.mask)
		run := func(changed []float64, layers ...int) *state {
			st := newState(&out.Graph)
			for i, n := range out.Nodes {
				if n.Kind != Computed && out.From[i] >= 0 {
					st.write(ID(i), decode.read(out.From[i]))
				}
			}
			for l, m := range masks {
				st.write(m, clean)
				if slices.Contains(layers, l) {
					st.write(m, changed)
				}
			}
			st.run(len(out.Nodes))
			return st
		}
		logits := out.To[d.want.Logits]
		sameValues(t, name, run(nil).read(logits), decode.read(d.want.Logits))

		// the second row of the first sequence does not see the first
		cut := slices.Clone(clean)
		cut[toyCells+d.slots[0]] = math.Inf(-1)
		want := d.evaluate(len(d.Nodes), map[ID][]float64{d.mask: cut}).read(d.want.Logits)
		sameValues(t, name, run(cut, 0, 1, 2).read(logits), want)
		one := run(cut, 1)
		for l, site := range d.want.Layers {
			got, want := one.read(out.To[site.Attention]), decode.read(site.Attention)
			if same := slices.Equal(got, want); same != (l == 0) {
				t.Errorf("%s: a cut in layer 1: attention of layer %d unchanged: %v", name, l, same)
			}
		}
	}
}
