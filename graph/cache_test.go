package graph

import (
	"slices"
	"testing"
)

// Gradients reach the rows that a decode wrote to its cache and stop at those
// that earlier ones did.
func TestCacheGradient(t *testing.T) {
	for _, c := range []struct {
		name string
		read func(f *fixture, cache ID) ID
	}{
		{"rows", func(f *fixture, c ID) ID { return f.View(c, shape(6, 5), f.Node(c).Nb, 0) }},
		{"rows from the second on", func(f *fixture, c ID) ID { return f.View(c, shape(6, 4), f.Node(c).Nb, 24) }},
		{"rows that miss one written", func(f *fixture, c ID) ID { return f.View(c, shape(6, 3), f.Node(c).Nb, 0) }},
		{"heads", func(f *fixture, c ID) ID {
			return f.Permute(f.View(c, shape(2, 3, 5), [4]uint64{4, 8, 24, 120}, 0), [4]int{0, 2, 1, 3})
		}},
		{"one head", func(f *fixture, c ID) ID { return f.View(c, shape(2, 5), [4]uint64{4, 24, 120, 120}, 8) }},
		{"reshaped", func(f *fixture, c ID) ID { return f.Reshape(c, shape(10, 3)) }},
		{"transposed", func(f *fixture, c ID) ID { return f.Transpose(c) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			x := f.leaf(6, 2)
			cache := f.cache(6, 5)
			f.SetRows(cache, f.Scale(x, 2, 0), f.indices(I64, 3, 1))
			f.check(f.Sqr(c.read(f, cache)), x)
		})
	}
}

// Several reads of one write add up, and so do reads of one source written
// twice to different rows.
func TestCacheReadTwice(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 2)
	cache := f.cache(4, 6)
	all := func() ID { return f.View(cache, shape(4, 6), f.Node(cache).Nb, 0) }
	f.SetRows(cache, x, f.indices(I64, 0, 4))
	first := f.Sqr(all())
	f.SetRows(cache, f.Unary(OpTanh, x), f.indices(I64, 1, 2))
	y := f.Add(first, f.Mul(all(), f.Transpose(f.Cont(f.Transpose(all())))))
	f.check(y, x)
}

// A read before the write sees what earlier decodes left, a constant.
func TestCacheReadBefore(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 2)
	cache := f.cache(4, 3)
	old := f.Cont(f.Transpose(f.View(cache, shape(4, 3), f.Node(cache).Nb, 0)))
	f.SetRows(cache, x, f.indices(I64, 0, 2))
	now := f.View(cache, shape(4, 3), f.Node(cache).Nb, 0)
	f.check(f.MulMat(old, f.Cont(f.Transpose(now))), x)
}

// A look at the cache taken before the write and read after it sees the write.
func TestCacheViewBefore(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 2)
	cache := f.cache(4, 3)
	view := f.View(cache, shape(4, 3), f.Node(cache).Nb, 0)
	f.SetRows(view, x, f.indices(I64, 0, 2))
	f.check(f.Sqr(f.Permute(view, [4]int{1, 0, 2, 3})), x)
}

// Streams: each sequence's rows go to its own part of a longer cache.
func TestCacheStreams(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 3)
	cache := f.cache(4, 10, 2) // two streams of 10 cells
	f.SetRows(f.Reshape(cache, Shape2(4, 20)), x, f.indices(I64, 1, 2, 13))
	read := f.View(cache, shape(2, 2, 6, 2), [4]uint64{4, 8, 16, 160}, 0) // 6 cells of each
	f.check(f.Sqr(f.Permute(read, [4]int{0, 2, 1, 3})), x)
}

// The whole of a decode, against differences at its embeddings and weights.
func TestDecoderGradient(t *testing.T) {
	for name, b := range blocks {
		t.Run(name, func(t *testing.T) {
			d := newToy(newFixture(t), b, 2, 1)
			var wrt []ID
			for i := range d.Nodes {
				switch n := &d.Nodes[i]; {
				case n.Name == "norm.weight" && len(wrt) < 2, n.Name == "blk.0.ffn_down.weight.lora_b", n.Name == "blk.1.attn_output.weight.lora_a":
					wrt = append(wrt, ID(i))
				}
			}
			slices.Sort(wrt)
			d.check(d.want.Logits, wrt...)
		})
	}
}

// As an edit takes it: below a site, with respect to what lies there.
func TestSliceGradient(t *testing.T) {
	for name, b := range blocks {
		t.Run(name, func(t *testing.T) {
			d := newToy(newFixture(t), b, 3, 0)
			decode := d.evaluate(len(d.Nodes), nil)
			for _, site := range []ID{d.want.Embedding, d.want.Layers[0].Key, d.want.Layers[0].FFN, d.want.Layers[1].Attention, d.want.Layers[1].Residual} {
				f := d.slice(decode, site)
				f.check(f.out, f.site)
			}
		})
	}
}

// sliced is a slice as a fixture of its own.
type sliced struct {
	*fixture
	*Slice
	site, out ID
}

func (d *toy) slice(decode *state, site ID) *sliced {
	d.t.Helper()
	s, err := Cut(d.Graph, []ID{site}, []ID{d.want.Logits})
	if err != nil {
		d.t.Fatal(err)
	}
	f := newFixture(d.t)
	f.Graph = &s.Graph
	for i := range s.Nodes {
		if s.Nodes[i].Kind == Computed {
			continue
		}
		from := s.From[i]
		f.values[ID(i)] = decode.read(from)
		if d.Nodes[from].Kind == Cache {
			f.values[ID(i)] = d.values[from]
		}
		if v, ok := d.known[from]; ok {
			f.known[ID(i)] = v
		}
	}
	return &sliced{fixture: f, Slice: s, site: s.To[site], out: s.To[d.want.Logits]}
}
