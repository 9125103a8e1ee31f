package graph

import (
	"errors"
	"math"
	"testing"
)

// localised is a slice whose attention is rewritten, with the values that the
// decode gives its inputs.
func (d *toy) localised(t *testing.T, decode *state, site ID) (f *sliced, plain *Slice) {
	t.Helper()
	s, err := Cut(d.Graph, []ID{site}, []ID{d.want.Logits})
	if err != nil {
		t.Fatal(err)
	}
	out, local, err := Localise(s, d.rows(), d.indexOf(s), d.maskOf(s, decode))
	if err != nil {
		t.Fatal(err)
	}
	f = &sliced{fixture: newFixture(t), Slice: out, site: out.To[site], out: out.To[d.want.Logits]}
	f.fixture.Graph = &out.Graph
	f.sound(0)
	for i := range out.Nodes {
		n := &out.Nodes[i]
		if from := out.From[i]; n.Kind != Computed && from >= 0 {
			f.values[ID(i)] = decode.read(from)
			f.known[ID(i)] = d.known[from]
		}
		if n.Kind == Cache || n.Op == OpSetRows {
			t.Errorf("%v uses the cache", n)
		}
	}
	for _, c := range local.Consts {
		for _, v := range c.F32 {
			f.values[c.Node] = append(f.values[c.Node], float64(v))
		}
	}
	for _, p := range local.Prefixes {
		f.values[p.Node] = prefix(p, d.live(p.Cache))
	}
	return f, s
}

func (d *toy) rows() Rows { return Rows{Sequences: d.sequences, Length: len(d.tokens) / d.sequences} }

func (d *toy) indexOf(s *Slice) Values { return func(id ID) []int64 { return d.known[s.From[id]] } }

func (d *toy) maskOf(s *Slice, decode *state) func(ID) []float32 {
	return func(id ID) []float32 {
		var out []float32
		for _, v := range decode.read(s.From[id]) {
			out = append(out, float32(v))
		}
		return out
	}
}

// live is the cache of a handle before the decode.
func (d *toy) live(handle uint64) []float64 {
	for id, v := range d.values {
		if d.Node(id).Kind == Cache && d.Node(id).Handle == handle {
			return v
		}
	}
	d.t.Fatalf("no cache has the handle %d", handle)
	return nil
}

// prefix gathers the rows of earlier tokens out of a cache.
func prefix(p Prefix, cache []float64) []float64 {
	var out []float64
	for _, cells := range p.Cells {
		for _, cell := range cells {
			for channel := range p.Channels {
				switch {
				case cell < 0:
					out = append(out, 0)
				case p.Transposed:
					out = append(out, cache[channel*int(p.Ne[1])+cell])
				default:
					out = append(out, cache[cell*p.Channels+channel])
				}
			}
		}
	}
	return out
}

// Attention over a row's own sequence gives the logits of the unified cache,
// and their gradient.
func TestLocaliseEqualsWhole(t *testing.T) {
	for name, b := range blocks {
		t.Run(name, func(t *testing.T) {
			for _, d := range []*toy{newToy(newFixture(t), b, 3, 1), newToyOf(newFixture(t), b, 3)} {
				d.handles(Weight, Cache)
				decode := d.evaluate(len(d.Nodes), nil)
				for _, site := range []ID{d.want.Embedding, d.want.Layers[0].FFN, d.want.Layers[1].Residual} {
					f, _ := d.localised(t, decode, site)
					want := decode.read(d.want.Logits)
					for i, got := range f.evaluate(len(f.fixture.Nodes), nil).read(f.out) {
						if !(math.Abs(got-want[i]) < 1e-12) {
							t.Fatalf("logit %d is %g, not %g", i, got, want[i])
						}
					}
					f.check(f.out, f.site)
				}
			}
		})
	}
}

// Attention of another form is refused, and the slice stays as it was.
func TestLocaliseRefuses(t *testing.T) {
	for name, change := range map[string]func(d *toy, s *Slice){
		"no mask": func(d *toy, s *Slice) {
			for i := range s.Nodes {
				if s.Nodes[i].Op == OpSoftMax {
					s.Nodes[i].Src[1] = None
				}
			}
		},
		"a mask that is computed": func(d *toy, s *Slice) {
			for i := range s.Nodes {
				if s.Nodes[i].Op == OpSoftMax {
					s.Nodes[s.Nodes[i].Src[1]].Kind = Weight
				}
			}
		},
		"scores added to others": func(d *toy, s *Slice) {
			for i := range s.Nodes {
				if s.Nodes[i].Op == OpSoftMax {
					s.Nodes[i].Op = OpAdd
					break
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newToyOf(newFixture(t), preNorm, 2)
			decode := d.evaluate(len(d.Nodes), nil)
			s, err := Cut(d.Graph, []ID{d.want.Embedding}, []ID{d.want.Logits})
			if err != nil {
				t.Fatal(err)
			}
			change(d, s)
			n := len(s.Nodes)
			if _, _, err := Localise(s, d.rows(), d.indexOf(s), d.maskOf(s, decode)); !errors.Is(err, ErrGraph) {
				t.Errorf("got %v", err)
			}
			if len(s.Nodes) != n {
				t.Error("the slice has grown")
			}
		})
	}
	// rows that do not fill the sequences
	d := newToyOf(newFixture(t), preNorm, 2)
	decode := d.evaluate(len(d.Nodes), nil)
	s, err := Cut(d.Graph, []ID{d.want.Embedding}, []ID{d.want.Logits})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Localise(s, Rows{Sequences: 3, Length: 1}, d.indexOf(s), d.maskOf(s, decode)); !errors.Is(err, ErrGraph) {
		t.Errorf("three rows of four: %v", err)
	}
}
