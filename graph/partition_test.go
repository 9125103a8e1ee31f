package graph

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// task is the gradient of Σ r y on a slice, with every leaf in live memory.
func (f *sliced) task() (Task, map[uint64][]float64) {
	seed := f.Input(F32, f.fixture.Node(f.out).Ne, "seed")
	f.values[seed] = f.random(f.fixture.Node(f.out).Ne)
	live := map[uint64][]float64{}
	for id, v := range f.values {
		f.fixture.Node(id).Handle = uint64(id) + 1
		live[uint64(id)+1] = slices.Clone(v)
	}
	return Task{
		Graph: f.fixture.Graph, Seeds: []Seed{{f.out, seed}}, WRT: []ID{f.site}, Values: f.indexValues,
	}, live
}

// handOver gives the crossings live tensors: values unset, gradients zero.
func handOver(crossings []Crossing, live map[uint64][]float64) {
	for i := range crossings {
		c := &crossings[i]
		c.Value, c.Grad = uint64(1000+2*i), uint64(1001+2*i)
		n := c.Ne[0] * c.Ne[1] * c.Ne[2] * c.Ne[3]
		live[c.Value], live[c.Grad] = make([]float64, n), make([]float64, n)
		for j := range live[c.Value] {
			live[c.Value][j] = math.NaN()
		}
	}
}

func runSegment(g *Graph, live map[uint64][]float64, consts []Const) *state {
	s := newState(g)
	s.live = live
	s.setConsts(consts)
	s.run(len(g.Nodes))
	return s
}

// gradient runs a partition: forward to the last segment, then back.
func (p *Partition) gradient(live map[uint64][]float64, wrt ID) []float64 {
	for _, s := range p.Segments[:len(p.Segments)-1] {
		runSegment(&s.Forward, live, nil)
	}
	var sum []float64
	for _, s := range slices.Backward(p.Segments) {
		run := runSegment(&s.Reverse, live, s.Consts)
		for _, g := range s.Gradients {
			if g.Of != wrt {
				continue
			}
			part := run.read(g.Node)
			if sum == nil {
				sum = make([]float64, len(part))
			}
			for i, v := range part {
				sum[i] += v
			}
		}
	}
	return sum
}

// A task in segments has the gradient of the whole, wherever it is cut.
func TestSplitEqualsWhole(t *testing.T) {
	for name, b := range blocks {
		t.Run(name, func(t *testing.T) {
			d := newToy(newFixture(t), b, 4, 1)
			decode := d.evaluate(len(d.Nodes), nil)
			for _, layers := range [][]int{{}, {1}, {0, 1, 2}, {0, 2}} {
				f := d.slice(decode, d.want.Layers[0].FFN)
				task, live := f.task()
				var cuts []ID
				for _, l := range layers {
					cuts = append(cuts, f.To[d.want.Layers[l].Residual])
				}
				crossings, err := Crossings(task.Graph, cuts)
				if err != nil {
					t.Fatal(err)
				}
				if len(crossings) != len(cuts) {
					t.Errorf("%d values cross %d cuts", len(crossings), len(cuts))
				}
				handOver(crossings, live)
				p, err := Split(task, cuts, crossings)
				if err != nil {
					t.Fatal(err)
				}
				f.soundSegments(p)
				got := p.gradient(live, f.site)

				g, err := Gradient(task.Graph, task.Seeds, task.WRT, task.Values, nil)
				if err != nil {
					t.Fatal(err)
				}
				want := f.evaluate(len(f.Nodes), nil, g.Consts...).read(g.Of[f.site])
				for i := range want {
					if !(math.Abs(got[i]-want[i]) < 1e-12) {
						t.Fatalf("cut after layers %v: element %d is %g, not %g", layers, i, got[i], want[i])
					}
				}
			}
		})
	}
}

func (f *sliced) soundSegments(p *Partition) {
	f.t.Helper()
	for i, s := range p.Segments {
		for _, part := range []*Graph{&s.Forward, &s.Reverse} {
			part := &fixture{Builder: Builder{part}, t: f.t}
			part.sound(0)
		}
		if last := i == len(p.Segments)-1; last != (len(s.Forward.Nodes) == 0) || last != (len(s.Stores) == 0) {
			f.t.Errorf("segment %d of %d has %d nodes forward and stores %v", i, len(p.Segments), len(s.Forward.Nodes), s.Stores)
		}
		if i > 0 && len(s.Reads) == 0 {
			f.t.Errorf("segment %d reads nothing", i)
		}
		for of, to := range s.ReverseOf {
			if to < 0 {
				continue
			}
			if n := s.Reverse.Node(to); n.Name != f.Nodes[of].Name || n.Ne != f.Nodes[of].Ne {
				f.t.Errorf("segment %d holds %v as %v", i, f.Node(ID(of)), n)
			}
		}
	}
}

// A leaf that several segments read has the sum of their parts.
func TestSplitSharedLeaf(t *testing.T) {
	f := newFixture(t)
	x, w := f.leaf(4), f.leaf(4)
	a := f.Mul(f.Unary(OpTanh, x), w)
	b := f.Mul(f.Unary(OpSilu, a), w)
	c := f.Add(f.Mul(b, w), a) // a crosses both cuts
	s := &sliced{fixture: f, site: w, out: c}
	task, live := s.task()
	cuts := []ID{a, b}
	crossings, err := Crossings(task.Graph, cuts)
	if err != nil {
		t.Fatal(err)
	}
	var nodes []ID
	for _, c := range crossings {
		nodes = append(nodes, c.Node)
	}
	if !slices.Equal(nodes, []ID{a, b}) {
		t.Errorf("%v cross, not %v", nodes, []ID{a, b})
	}
	handOver(crossings, live)
	p, err := Split(task, cuts, crossings)
	if err != nil {
		t.Fatal(err)
	}
	if last := p.Segments[2]; !slices.Equal(last.Reads, []ID{b, a}) {
		t.Errorf("the last segment reads %v", last.Reads)
	}
	r := f.values[task.Seeds[0].Gradient]
	f.compare(w, p.gradient(live, w), func(v []float64) float64 {
		return dot(r, f.evaluate(len(f.Nodes), map[ID][]float64{w: v}).read(c))
	})
}

// A value that is looked at in another way after the cut crosses as itself.
func TestSplitMoves(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 6)
	a := f.Unary(OpTanh, x)
	view := f.View(a, shape(2, 3), f.Node(a).Nb, 16+8) // before the cut
	y := f.Sqr(f.Transpose(view))
	s := &sliced{fixture: f, site: x, out: y}
	task, live := s.task()
	crossings, err := Crossings(task.Graph, []ID{view})
	if err != nil {
		t.Fatal(err)
	}
	if len(crossings) != 1 || crossings[0].Node != a {
		t.Fatalf("crossings %+v", crossings)
	}
	handOver(crossings, live)
	p, err := Split(task, []ID{view}, crossings)
	if err != nil {
		t.Fatal(err)
	}
	r := f.values[task.Seeds[0].Gradient]
	f.compare(x, p.gradient(live, x), func(v []float64) float64 {
		return dot(r, f.evaluate(len(f.Nodes), map[ID][]float64{x: v}).read(y))
	})
}

func TestCrossingsRefused(t *testing.T) {
	f := newFixture(t)
	x, cache := f.leaf(4, 2), f.cache(4, 6)
	w := f.SetRows(cache, f.Sqr(x), f.indices(I64, 0, 3))
	f.Nodes[w].Name = "the write"
	f.Sqr(f.View(cache, shape(4, 6), f.Node(cache).Nb, 0))
	if _, err := Crossings(f.Graph, []ID{w}); !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), "the write") {
		t.Errorf("a cut between a write to the cache and its read: %v", err)
	}
	if c, err := Crossings(f.Graph, []ID{w - 2}); err != nil || len(c) != 1 {
		t.Errorf("a cut before the write: %v, %v", c, err)
	}

	f = newFixture(t)
	half := f.Cast(f.Sqr(f.leaf(4)), F16)
	f.Cast(half, F32)
	if _, err := Crossings(f.Graph, []ID{half}); !errors.Is(err, ErrGraph) {
		t.Errorf("a value in 16 bits crosses: %v", err)
	}
}

// A segment whose operator has no rule says so before anything runs.
func TestSplitNoRule(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4)
	a := f.op("SSM_CONV", shape(4), x)
	y := f.Sqr(f.Sqr(a))
	s := &sliced{fixture: f, site: x, out: y}
	task, live := s.task()
	crossings, err := Crossings(task.Graph, []ID{a})
	if err != nil {
		t.Fatal(err)
	}
	handOver(crossings, live)
	if _, err := Split(task, []ID{a}, crossings); !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), "SSM_CONV") {
		t.Errorf("got %v", err)
	}
}
