package llama_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"retcon/graph"
	"retcon/llama"
)

// doubling is a program of y = 2 x on 8 numbers.
func doubling(t testing.TB, c *llama.Context) (p *llama.Program, x, y graph.ID) {
	t.Helper()
	b := graph.Builder{Graph: &graph.Graph{}}
	x = b.Input(graph.F32, graph.Shape2(4, 2), "x")
	y = b.Scale(x, 2, 0)
	p, err := c.NewProgram(b.Graph, []graph.ID{y})
	if err != nil {
		t.Fatal(err)
	}
	return p, x, y
}

func runDoubling(t testing.TB, p *llama.Program, x, y graph.ID) {
	t.Helper()
	in, out := []float32{1, 2, 3, 4, 5, 6, 7, 8}, make([]float32, 8)
	if err := errors.Join(p.Set(x, in), p.Run(context.Background()), p.Read(out, y)); err != nil {
		t.Fatal(err)
	}
	for i := range in {
		if out[i] != 2*in[i] {
			t.Errorf("2 x %g is %g", in[i], out[i])
		}
	}
}

func TestProgram(t *testing.T) {
	c := smallContext(t)
	p, x, y := doubling(t, c)
	runDoubling(t, p, x, y)
	if n := p.Splits(); n != 1 {
		t.Errorf("%d parts on one device", n)
	}
	bytes, err := p.Measure()
	if err != nil || bytes <= 0 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
	// measuring and trimming leave it runnable
	runDoubling(t, p, x, y)
	c.TrimPrograms()
	runDoubling(t, p, x, y)
	q, u, v := doubling(t, c)
	runDoubling(t, q, u, v)
	if err := p.Read(make([]float32, 8), y); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("reading after another program ran: %v", err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := p.Run(context.Background()); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("running a closed program: %v", err)
	}
	runDoubling(t, q, u, v)
}

func TestProgramErrors(t *testing.T) {
	c := smallContext(t)
	build := func(f func(b graph.Builder) []graph.ID) error {
		b := graph.Builder{Graph: &graph.Graph{}}
		p, err := c.NewProgram(b.Graph, f(b))
		p.Close()
		return err
	}
	for _, k := range []struct {
		name string
		want error
		f    func(b graph.Builder) []graph.ID
	}{
		{"empty", llama.ErrInvalid, func(graph.Builder) []graph.ID { return nil }},
		{"an operator that ggml lacks", llama.ErrUnsupported, func(b graph.Builder) []graph.ID {
			return []graph.ID{b.Unary("NO_SUCH_OP", b.Input(graph.F32, graph.Shape2(4, 1), "x"))}
		}},
		{"an output past the end", llama.ErrInvalid, func(b graph.Builder) []graph.ID {
			return []graph.ID{b.Sqr(b.Input(graph.F32, graph.Shape2(4, 1), "x")) + 1}
		}},
		{"a negative output", llama.ErrInvalid, func(b graph.Builder) []graph.ID {
			b.Sqr(b.Input(graph.F32, graph.Shape2(4, 1), "x"))
			return []graph.ID{graph.None}
		}},
		{"an output that is an input", llama.ErrInvalid, func(b graph.Builder) []graph.ID {
			return []graph.ID{b.Input(graph.F32, graph.Shape2(4, 1), "x")}
		}},
		{"an unknown handle", llama.ErrInvalid, func(b graph.Builder) []graph.ID {
			x := b.Input(graph.F32, graph.Shape2(4, 1), "x")
			b.Nodes[x].Handle = 12345
			return []graph.ID{b.Sqr(x)}
		}},
		{"a source after its user", llama.ErrInvalid, func(b graph.Builder) []graph.ID {
			y := b.Sqr(b.Input(graph.F32, graph.Shape2(4, 1), "x"))
			b.Nodes[y].Src[0] = y + 1
			return []graph.ID{b.Sqr(y)}
		}},
		{"an empty input", llama.ErrInvalid, func(b graph.Builder) []graph.ID {
			return []graph.ID{b.Sqr(b.Input(graph.F32, graph.Shape2(0, 1), "x"))}
		}},
		{"a type that ggml lacks", llama.ErrInvalid, func(b graph.Builder) []graph.ID {
			y := b.Sqr(b.Input(graph.F32, graph.Shape2(4, 1), "x"))
			b.Nodes[y].Type = 1000
			return []graph.ID{y}
		}},
	} {
		before := llama.LiveObjects()
		if err := build(k.f); !errors.Is(err, k.want) {
			t.Errorf("%s: %v", k.name, err)
		}
		if now := llama.LiveObjects(); now != before {
			t.Errorf("%s leaves %d objects", k.name, now-before)
		}
	}
	p, x, y := doubling(t, c)
	if err := p.Read(make([]float32, 8), y); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("reading before a run: %v", err)
	}
	if err := p.Read(make([]float32, 7), y); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("reading too little: %v", err)
	}
	if err := p.Set(x, make([]float32, 9)); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("setting too much: %v", err)
	}
}

func TestStore(t *testing.T) {
	c := smallContext(t)
	s, err := c.NewStore([]llama.TensorSpec{{Type: graph.F32, Ne: graph.Shape2(4, 2)}, {Type: graph.I64, Ne: graph.Shape2(3, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Bytes() < 8*4+3*8 {
		t.Errorf("%d bytes", s.Bytes())
	}
	h := s.Handle(0)
	if err := llama.WriteTensor(c, h, 0, make([]float32, 8)); err != nil {
		t.Fatal(err)
	}
	if err := llama.WriteTensor(c, h, 4, []float32{1, 2}); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 4)
	if err := llama.ReadTensor(c, h, 0, got); err != nil || !equal(got, []float32{0, 1, 2, 0}) {
		t.Errorf("%v, %v", got, err)
	}
	for name, err := range map[string]error{
		"a write past the end":    llama.WriteTensor(c, h, 28, []float32{1, 2}),
		"a write far past it":     llama.WriteTensor(c, h, 1<<40, []float32{1}),
		"a write before it":       llama.WriteTensor(c, h, -4, []float32{1}),
		"a read past the end":     llama.ReadTensor(c, h, 32, got),
		"a read before it":        llama.ReadTensor(c, h, -4, got),
		"a write to no tensor":    llama.WriteTensor(c, 0, 0, []float32{1}),
		"a write to any address":  llama.WriteTensor(c, h+8, 0, []float32{1}),
		"a read of no tensor":     llama.ReadTensor(c, 1, 0, got),
		"a read of longer values": llama.ReadTensor(c, s.Handle(1), 0, make([]int64, 4)),
	} {
		if !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spec := range map[string]llama.TensorSpec{
		"no type":        {Type: 999, Ne: graph.Shape2(4, 1)},
		"no elements":    {Ne: graph.Shape2(4, 0)},
		"negative":       {Ne: graph.Shape2(-4, 1)},
		"no whole block": {Type: graph.Q8_0, Ne: graph.Shape2(33, 1)},
	} {
		if _, err := c.NewStore([]llama.TensorSpec{spec}); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Close()
	if err := llama.ReadTensor(c, h, 0, got); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("reading what was freed: %v", err)
	}
}

// The model's own weights can be read and never written.
func TestWeightsAreNeverWritten(t *testing.T) {
	c := smallContext(t)
	r, err := c.Record(context.Background(), prompt(4, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	weights, caches := 0, 0
	for i := range r.Graph.Nodes {
		n := &r.Graph.Nodes[i]
		switch n.Kind {
		case graph.Weight:
			weights++
			if err := llama.WriteTensor(c, n.Handle, 0, []byte{1}); !errors.Is(err, llama.ErrInvalid) {
				t.Fatalf("writing %s: %v", n.Name, err)
			}
			if err := llama.ReadTensor(c, n.Handle, 0, make([]byte, 4)); err != nil {
				t.Fatalf("reading %s: %v", n.Name, err)
			}
		case graph.Cache:
			caches++
			if err := llama.ReadTensor(c, n.Handle, 0, make([]byte, 4)); err != nil {
				t.Fatalf("reading %s: %v", n.Name, err)
			}
		}
	}
	if weights < 15 || caches < 4 {
		t.Errorf("the decode has %d weights and %d caches", weights, caches)
	}
}

// An output that looks at the memory of another node keeps it to the end.
func TestOutputThatIsAView(t *testing.T) {
	c := smallContext(t)
	b := graph.Builder{Graph: &graph.Graph{}}
	x := b.Input(graph.F32, graph.Shape2(64, 64), "x")
	view := b.Reshape(b.Scale(x, 2, 0), graph.Shape2(128, 32))
	y := b.Sqr(view)
	for range 6 { // takes the memory of what has no user left
		y = b.Scale(b.Reshape(y, graph.Shape2(64, 64)), 1.5, 1)
		y = b.Add(y, b.Sqr(y))
	}
	p, err := c.NewProgram(b.Graph, []graph.ID{view, y})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	in, out := make([]float32, 64*64), make([]float32, 64*64)
	for i := range in {
		in[i] = float32(i%7) * 0.1
	}
	if err := errors.Join(p.Set(x, in), p.Run(context.Background()), p.Read(out, view)); err != nil {
		t.Fatal(err)
	}
	for i := range in {
		if out[i] != 2*in[i] {
			t.Fatalf("element %d is %g, not %g", i, out[i], 2*in[i])
		}
	}
}

// Kernels abort the process on a transposed vector and on a permuted first
// operand: the reverse rules must not hand them one.
func TestGradientOfOneRow(t *testing.T) {
	c := smallContext(t)
	b := graph.Builder{Graph: &graph.Graph{}}
	k := b.Input(graph.F32, [4]int64{4, 3, 2, 1}, "k")
	q := b.Input(graph.F32, [4]int64{4, 1, 2, 1}, "q")
	y := b.Permute(b.Mul(b.MulMat(k, q), b.Input(graph.F32, [4]int64{3, 1, 2, 1}, "m")), [4]int{1, 0, 2, 3})
	m := graph.ID(2)
	for b.Node(m).Name != "m" {
		m++
	}
	seed := b.Input(graph.F32, b.Node(y).Ne, "seed")
	g, err := graph.Gradient(b.Graph, []graph.Seed{{Node: y, Gradient: seed}}, []graph.ID{k, q}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	dk, dq := b.Own(g.Of[k]), b.Own(g.Of[q])
	p, err := c.NewProgram(b.Graph, []graph.ID{dk, dq})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	kv, qv, mv, sv := rowsOf(24), rowsOf(8), rowsOf(6), rowsOf(6)
	gotK, gotQ := make([]float32, 24), make([]float32, 8)
	if err := errors.Join(p.Set(k, kv), p.Set(q, qv), p.Set(m, mv), p.Set(seed, sv), p.SetConsts(g.Consts),
		p.Run(context.Background()), p.Read(gotK, dk), p.Read(gotQ, dq)); err != nil {
		t.Fatal(err)
	}
	for h := range 2 {
		for j := range 4 {
			sum := 0.0
			for r := range 3 {
				w := float64(sv[h*3+r] * mv[h*3+r])
				sum += w * float64(kv[h*12+r*4+j])
				if got, want := float64(gotK[h*12+r*4+j]), w*float64(qv[h*4+j]); math.Abs(got-want) > 1e-5 {
					t.Errorf("dk of head %d, row %d, column %d is %g, not %g", h, r, j, got, want)
				}
			}
			if got := float64(gotQ[h*4+j]); math.Abs(got-sum) > 1e-5 {
				t.Errorf("dq of head %d, column %d is %g, not %g", h, j, got, sum)
			}
		}
	}
}

// A program ends within a second of its context, and runs again afterwards.
func TestCancelProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	c := smallContext(t)
	b := graph.Builder{Graph: &graph.Graph{}}
	const n = 768
	x := b.Input(graph.F32, graph.Shape2(n, n), "x")
	y := b.Scale(x, 1, 0)
	for range 400 {
		y = b.MulMat(x, y)
	}
	p, err := c.NewProgram(b.Graph, []graph.ID{y})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Set(x, make([]float32, n*n)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err = p.Run(ctx)
	if late := time.Since(deadline(ctx)); !errors.Is(err, context.DeadlineExceeded) || late > time.Second {
		t.Errorf("%v, %v after the deadline", err, late)
	}
	q, u, v := doubling(t, c)
	runDoubling(t, q, u, v)
}
