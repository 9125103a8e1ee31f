package llama_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/llama"
)

// TestProducts holds products of programs that may sum in any order to ggml's.
// Factors are small whole numbers, of which every order has the same sum.
func TestProducts(t *testing.T) {
	m := loadTiny(t)
	own := slices.Contains(strings.Fields(llama.SystemInfo()), "AVX512")
	for _, k := range []struct {
		op   graph.Op
		typ  graph.Type
		w, x [4]int64
		turn bool // the second factor is seen from its side
		own  bool // many rows: the bridge's own kernel is meant to be used
	}{
		{op: graph.OpMulMat, typ: graph.F32, w: [4]int64{64, 96, 1, 1}, x: [4]int64{64, 40, 1, 1}, own: true},
		{op: graph.OpMulMat, typ: graph.F32, w: [4]int64{1700, 70, 1, 1}, x: [4]int64{1700, 61, 1, 1}, own: true},
		{op: graph.OpMulMat, typ: graph.F32, w: [4]int64{37, 5, 1, 1}, x: [4]int64{37, 700, 1, 1}, own: true},
		{op: graph.OpMulMat, typ: graph.F32, w: [4]int64{33, 65, 1, 1}, x: [4]int64{33, 33, 3, 2}, own: true},
		{op: graph.OpMulMat, typ: graph.F32, w: [4]int64{64, 16, 3, 5}, x: [4]int64{64, 27, 3, 5}, own: true},
		{op: graph.OpMulMat, typ: graph.F32, w: [4]int64{64, 24, 2, 3}, x: [4]int64{64, 9, 6, 3}, own: true},
		{op: graph.OpMulMat, typ: graph.F32, w: [4]int64{512, 512, 1, 1}, x: [4]int64{512, 3, 1, 1}},
		{op: graph.OpMulMat, typ: graph.F16, w: [4]int64{130, 100, 1, 1}, x: [4]int64{130, 44, 1, 1}},
		{op: graph.OpMulMat, typ: graph.BF16, w: [4]int64{130, 100, 1, 1}, x: [4]int64{130, 44, 1, 1}},
		{op: graph.OpOutProd, typ: graph.F32, w: [4]int64{64, 16, 3, 5}, x: [4]int64{27, 16, 3, 5}, own: true},
		{op: graph.OpOutProd, typ: graph.F32, w: [4]int64{64, 16, 3, 5}, x: [4]int64{27, 16, 3, 5}, turn: true, own: true},
		{op: graph.OpOutProd, typ: graph.F32, w: [4]int64{80, 1700, 1, 1}, x: [4]int64{50, 1700, 1, 1}, own: true},
		{op: graph.OpOutProd, typ: graph.F32, w: [4]int64{50, 16, 1, 1}, x: [4]int64{40, 16, 1, 1}},
	} {
		name := fmt.Sprintf("%s/%v/%v/%v/turned=%v", k.op, k.typ, k.w, k.x, k.turn)
		t.Run(name, func(t *testing.T) {
			want, _ := product(t, m, k.op, k.typ, k.w, k.x, k.turn, false)
			got, n := product(t, m, k.op, k.typ, k.w, k.x, k.turn, true)
			if !slices.Equal(got, want) {
				t.Errorf("got %v.. of %d, want %v..", got[:3], len(got), want[:3])
			}
			if own && k.own && n != 2 {
				t.Errorf("%d of 2 products on the bridge's kernel", n)
			}
		})
	}
}

// product is W x, twice over in one program that runs three times, and how many
// of its products the bridge's own kernel computes.
func product(t *testing.T, m *llama.Model, op graph.Op, typ graph.Type, wNe, xNe [4]int64, turn, anyOrder bool) (out []float32, own int) {
	t.Helper()
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: 16, Sequences: 2, Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := graph.Builder{Graph: &graph.Graph{AnyOrder: anyOrder}}
	w := b.Input(typ, wNe, "w")
	shape := xNe
	if turn {
		shape[0], shape[1] = xNe[1], xNe[0]
	}
	x := b.Input(graph.F32, shape, "x")
	of := func(x graph.ID) graph.ID {
		if turn {
			x = b.Transpose(x)
		}
		if op == graph.OpOutProd {
			return b.OutProd(w, x)
		}
		return b.MulMat(w, x)
	}
	// the second product's terms have the other sign
	y := b.Sub(of(x), of(b.Scale(x, -1, 0)))
	p, err := c.NewProgram(b.Graph, []graph.ID{y})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var data []byte
	for i := range b.Node(w).Elements() {
		v := math.Float32bits(float32(i*7%5 - 2))
		switch typ {
		case graph.F32:
			data = binary.LittleEndian.AppendUint32(data, v)
		case graph.BF16:
			data = binary.LittleEndian.AppendUint16(data, uint16(v>>16))
		default: // the F16 bits of -2, -1, 0, 1, 2
			data = binary.LittleEndian.AppendUint16(data, [5]uint16{0xc000, 0xbc00, 0, 0x3c00, 0x4000}[i*7%5])
		}
	}
	if err := p.SetBytes(w, data); err != nil {
		t.Fatal(err)
	}
	values := make([]float32, b.Node(x).Elements())
	for i := range values {
		values[i] = float32(i*11%7 - 3)
	}
	out = make([]float32, b.Node(y).Elements())
	for range 3 {
		if err := p.Set(x, values); err != nil {
			t.Fatal(err)
		}
		if err := p.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		clear(out)
		if err := p.Read(out, y); err != nil {
			t.Fatal(err)
		}
	}
	return out, p.OwnProducts()
}

// Products with quantised matrices are those with their values in F32, both
// ways, for few rows and many, and rows do not depend on those beside them.
func TestQuantisedProducts(t *testing.T) {
	c, err := loadTiny(t).NewContext(llama.ContextParams{Cells: 64, Batch: 16, Sequences: 2, Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := rand.New(rand.NewPCG(3, 4))
	for _, typ := range copiedTypes[3:] {
		if !c.OwnKernel(graph.Type(typ)) {
			continue
		}
		for _, s := range []struct{ k, m int }{{256, 40}, {2304, 70}, {512, 300}} {
			data, values := quantized(t, typ, normal(r, s.k*s.m), s.k)
			w := stored(t, c, typ, graph.Shape2(int64(s.k), int64(s.m)), data)
			for _, op := range []graph.Op{graph.OpMulMat, graph.OpOutProd} {
				terms, width := s.k, s.m
				if op == graph.OpOutProd {
					terms, width = s.m, s.k
				}
				x := normal(r, 37*terms)
				got := quantisedProduct(t, c, op, w, x, terms, width)
				for i, v := range got {
					var want, size float64
					for p := range terms {
						at := i%width*s.k + p
						if op == graph.OpOutProd {
							at = p*s.k + i%width
						}
						term := float64(x[i/width*terms+p]) * float64(values[at])
						want += term
						size += math.Abs(term)
					}
					if math.Abs(float64(v)-want) > 1e-6*size {
						t.Fatalf("%v of %v [%d %d]: value %d is %g, want %g", op, typ, s.k, s.m, i, v, want)
					}
				}
				few := quantisedProduct(t, c, op, w, x[:3*terms], terms, width)
				if !slices.Equal(few, got[:len(few)]) {
					t.Errorf("%v of %v [%d %d]: three rows by themselves differ", op, typ, s.k, s.m)
				}
			}
		}
	}
}

func normal(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// quantisedProduct is the product of w with rows of x, on the bridge's kernel.
func quantisedProduct(t *testing.T, c *llama.Context, op graph.Op, w graph.Node, x []float32, terms, width int) []float32 {
	t.Helper()
	b := graph.Builder{Graph: &graph.Graph{AnyOrder: true}}
	leaf := b.Leaf(w)
	rows := int64(len(x) / terms)
	in := b.Input(graph.F32, graph.Shape2(int64(terms), rows), "x")
	var y graph.ID
	if op == graph.OpMulMat {
		y = b.MulMat(leaf, in)
	} else {
		y = b.OutProd(leaf, b.Transpose(in))
	}
	p, err := c.NewProgram(b.Graph, []graph.ID{y})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out := make([]float32, rows*int64(width))
	if err := errors.Join(p.Set(in, x), p.Run(t.Context()), p.Read(out, y)); err != nil {
		t.Fatal(err)
	}
	if p.OwnProducts() != 1 {
		t.Errorf("%v of %v is not on the bridge's kernel", op, w.Type)
	}
	return out
}
