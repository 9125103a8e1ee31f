package graph

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// allRows asks for every row's logits, so that the last layer keeps its rows.
func (d *toy) allRows() *toy {
	e := &toy{fixture: newFixture(d.t), block: d.block, layers: d.layers, adapters: d.adapters, sequences: d.sequences}
	e.tokens, e.slots = d.tokens, d.slots
	for i := range d.tokens {
		e.outs = append(e.outs, int64(i))
	}
	return e.build()
}

// through runs a stream through slices of a decode, on what the decode has left
// of all else.
func through(t *testing.T, d *toy, s []*Slice, decode *state, x []float64, layers ...int) []float64 {
	t.Helper()
	in, err := d.want.Begin(d.Graph)
	if err != nil {
		t.Fatal(err)
	}
	sites := []ID{in}
	for _, l := range d.want.Layers {
		sites = append(sites, l.Residual)
	}
	for _, l := range layers {
		st := newState(&s[l].Graph)
		for i, n := range s[l].Nodes {
			switch {
			case s[l].From[i] == sites[l]:
				st.write(ID(i), x)
			case n.Kind == Cache: // what it held must not matter
				junk := make([]float64, n.Elements())
				for j := range junk {
					junk[j] = float64(j%7) - 3
				}
				st.write(ID(i), junk)
			case n.Kind != Computed:
				st.write(ID(i), decode.read(s[l].From[i]))
			}
		}
		st.run(len(s[l].Nodes))
		x = st.read(s[l].To[sites[l+1]])
	}
	return x
}

// Layers one after the other are the decode; in another order they are a decode
// whose weights were exchanged.
func TestLayerSlices(t *testing.T) {
	for name, b := range blocks {
		d := newToy(newFixture(t), b, 3, 0).allRows()
		d.handles(Weight, Cache)
		decode := d.evaluate(len(d.Nodes), nil)
		s, err := LayerSlices(d.Graph, &d.want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		begin, err := d.want.Begin(d.Graph)
		if err != nil || begin != d.want.Embedding {
			t.Errorf("%s: the stream begins at %d, not %d: %v", name, begin, d.want.Embedding, err)
		}
		x := decode.read(begin)
		sameValues(t, name, through(t, d, s, decode, x, 0, 1, 2), decode.read(d.want.Layers[2].Residual))

		change := map[ID][]float64{}
		for i, w := range d.Nodes {
			if rest, ok := strings.CutPrefix(w.Name, "blk.1."); ok && w.Kind == Weight {
				for j, v := range d.Nodes {
					if v.Name == "blk.2."+rest && v.Kind == Weight {
						change[ID(i)], change[ID(j)] = d.values[ID(j)], d.values[ID(i)]
					}
				}
			}
		}
		// their norms stand in the same order and have no layer in their name
		norms := map[int][]ID{}
		for i, n := range d.Nodes {
			for l := 1; l < 3; l++ {
				if n.Name == "norm.weight" && ID(i) > d.want.Layers[l-1].Residual && ID(i) < d.want.Layers[l].Residual {
					norms[l] = append(norms[l], ID(i))
				}
			}
		}
		for k, id := range norms[1] {
			change[id], change[norms[2][k]] = d.values[norms[2][k]], d.values[id]
		}
		want := d.evaluate(len(d.Nodes), change).read(d.want.Layers[2].Residual)
		for i, got := range through(t, d, s, decode, x, 0, 2, 1) {
			if !(math.Abs(got-want[i]) < 1e-12) {
				t.Fatalf("%s: layers exchanged: element %d is %g, not %g", name, i, got, want[i])
			}
		}
	}
}

func TestLayerSlicesRefuse(t *testing.T) {
	for _, c := range []struct {
		name, want string
		toy        func() *toy
	}{
		{"rows left out", "layer 1 turns a stream", func() *toy { return newToy(newFixture(t), preNorm, 2, 0) }},
		{"no stream", "leads out of layer 0", func() *toy {
			d := newToy(newFixture(t), preNorm, 2, 0).allRows()
			d.want.Layers[0].Residual = None
			return d
		}},
		{"another layer's keys", "of a layer before it", func() *toy {
			d := newToy(newFixture(t), preNorm, 2, 0).allRows()
			at, err := FindAttention(d.Graph, &d.want)
			if err != nil {
				t.Fatal(err)
			}
			score := func(l int) *Node { return d.Node(d.Node(at[l].SoftMax).Src[0]) }
			score(1).Src[0] = score(0).Src[0]
			return d
		}},
		{"another layer's value", "of a layer before it", func() *toy {
			d := newToy(newFixture(t), preNorm, 2, 0).allRows()
			sum := d.Node(d.want.Layers[1].Residual)
			i := slices.Index(sum.Src[:], d.want.Layers[1].FFN)
			// the layer's own FFN still counts, through the stream
			sum.Src[i] = d.want.Layers[0].FFN
			return d
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.toy()
			if _, err := LayerSlices(d.Graph, &d.want); !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
