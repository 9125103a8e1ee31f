package graph

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// state is a graph being interpreted in float64, after ggml's definitions of
// the operators. It has nothing in common with the code under test but the
// table: memory is addressed by strides and offsets as ggml does, and what was
// never written reads as NaN.
type state struct {
	g   *Graph
	mem map[ID][]float64 // the elements of each tensor that owns memory
	// live is memory that outlasts a run, by handle.
	live map[uint64][]float64
}

func newState(g *Graph) *state {
	return &state{g: g, mem: map[ID][]float64{}, live: map[uint64][]float64{}}
}

// memory is the storage of the tensor that owns the memory of id.
func (s *state) memory(id ID) []float64 {
	root := s.g.Root(id)
	if m, ok := s.mem[root]; ok {
		return m
	}
	n := s.g.Node(root)
	if m, ok := s.live[n.Handle]; ok && n.Handle != 0 {
		s.mem[root] = m
		return m
	}
	size := n.Elements()
	if n.Type.Size() != 0 {
		last := uint64(0)
		for i := range n.Ne {
			last += uint64(n.Ne[i]-1) * n.Nb[i]
		}
		size = int64(last/n.Type.Size()) + 1
	}
	m := make([]float64, size)
	for i := range m {
		m[i] = math.NaN()
	}
	s.mem[root] = m
	if n.Handle != 0 {
		s.live[n.Handle] = m
	}
	return m
}

// each calls fn with the place in memory of every element of id, in the order
// of dimensions.
func (s *state) each(id ID, fn func(i int, at int)) {
	n := s.g.Node(id)
	size := n.Type.Size()
	if size == 0 { // packed: as one row after the other
		for i := range int(n.Elements()) {
			fn(i, i)
		}
		return
	}
	base := uint64(0)
	if n.ViewSrc >= 0 {
		base = n.ViewOffs
	}
	i := 0
	for i3 := range uint64(n.Ne[3]) {
		for i2 := range uint64(n.Ne[2]) {
			for i1 := range uint64(n.Ne[1]) {
				for i0 := range uint64(n.Ne[0]) {
					at := base + i0*n.Nb[0] + i1*n.Nb[1] + i2*n.Nb[2] + i3*n.Nb[3]
					if at%size != 0 {
						panic(fmt.Sprintf("%v has an element at byte %d", n, at))
					}
					fn(i, int(at/size))
					i++
				}
			}
		}
	}
}

func (s *state) read(id ID) []float64 {
	v := make([]float64, s.g.Node(id).Elements())
	m := s.memory(id)
	s.each(id, func(i, at int) { v[i] = m[at] })
	return v
}

func (s *state) write(id ID, v []float64) {
	if int64(len(v)) != s.g.Node(id).Elements() {
		panic(fmt.Sprintf("%d values for %v", len(v), s.g.Node(id)))
	}
	m := s.memory(id)
	s.each(id, func(i, at int) { m[at] = v[i] })
}

// run computes the first n nodes.
func (s *state) run(n int) {
	for i := range n {
		if s.g.Nodes[i].Kind == Computed {
			s.compute(ID(i))
		}
	}
}

var scalar = map[Op]func(float64) float64{
	OpSqr:       func(x float64) float64 { return x * x },
	OpSqrt:      math.Sqrt,
	OpAbs:       math.Abs,
	OpNeg:       func(x float64) float64 { return -x },
	OpExp:       math.Exp,
	OpTanh:      math.Tanh,
	OpSigmoid:   logistic,
	OpRelu:      func(x float64) float64 { return max(x, 0) },
	OpSilu:      func(x float64) float64 { return x * logistic(x) },
	OpGeluQuick: func(x float64) float64 { return x * logistic(1.702*x) },
	OpGeluErf:   func(x float64) float64 { return x * (1 + math.Erf(x/math.Sqrt2)) / 2 },
	OpGelu: func(x float64) float64 {
		return x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) / 2
	},
	OpSgn: func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return 0
	},
	OpStep: func(x float64) float64 {
		if x > 0 {
			return 1
		}
		return 0
	},
	OpCont: identity, OpDup: identity, OpCpy: identity,
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
func identity(x float64) float64 { return x }

var arithmetic = map[Op]func(a, b float64) float64{
	OpAdd: func(a, b float64) float64 { return a + b },
	OpSub: func(a, b float64) float64 { return a - b },
	OpMul: func(a, b float64) float64 { return a * b },
	OpDiv: func(a, b float64) float64 { return a / b },
}

var gate = map[Op]Op{
	OpSwiglu: OpSilu, OpGeglu: OpGelu, OpGegluErf: OpGeluErf, OpGegluQuick: OpGeluQuick, OpReglu: OpRelu,
}

func (s *state) compute(id ID) {
	n := s.g.Node(id)
	if n.Op.moves() {
		return
	}
	a := s.read(n.Src[0])
	ne := s.g.Node(n.Src[0]).Ne
	var out []float64
	if f, ok := scalar[n.Op]; ok {
		out = each(a, f)
	} else if f, ok := arithmetic[n.Op]; ok {
		b := repeated(s.read(n.Src[1]), s.g.Node(n.Src[1]).Ne, ne)
		out = make([]float64, len(a))
		for i := range out {
			out[i] = f(a[i], b[i])
		}
	} else if act, ok := gate[n.Op]; ok {
		out = s.gated(n, a, scalar[act])
	} else {
		out = s.other(n, a, ne)
	}
	s.write(id, out)
}

func (s *state) other(n *Node, a []float64, ne [4]int64) []float64 {
	p0, p1 := float64(n.param(0)), float64(n.param(1))
	switch n.Op {
	case OpScale:
		return each(a, func(x float64) float64 { return p0*x + p1 })
	case OpClamp:
		return each(a, func(x float64) float64 { return min(max(x, p0), p1) })
	case OpFill:
		return each(a, func(float64) float64 { return p0 })
	case OpSumRows:
		return rowsOf(a, ne[0], 1, func(dst, x []float64) { dst[0] = total(x) })
	case OpMean:
		return rowsOf(a, ne[0], 1, func(dst, x []float64) { dst[0] = total(x) / float64(len(x)) })
	case OpRMSNorm:
		return rowsOf(a, ne[0], ne[0], func(dst, x []float64) { normalise(dst, x, 0, p0) })
	case OpNorm:
		return rowsOf(a, ne[0], ne[0], func(dst, x []float64) { normalise(dst, x, total(x)/float64(len(x)), p0) })
	case OpRepeat:
		return repeated(a, ne, n.Ne)
	case OpConcat:
		return s.concat(n, a, ne)
	case OpPad:
		return padded(n, a, ne)
	case OpGetRows:
		return s.getRows(n, a, ne)
	case OpSetRows:
		return s.setRows(n, a, ne)
	case OpMulMat:
		return mulMat(a, ne, s.read(n.Src[1]), s.g.Node(n.Src[1]).Ne)
	case OpOutProd:
		return outProd(a, ne, n.Ne, s.read(n.Src[1]), s.g.Node(n.Src[1]).Ne)
	case OpSoftMax:
		return s.softMax(n, a, ne)
	case OpRope:
		return s.rope(n, a, ne, 1)
	case OpRopeBack:
		return s.rope(n, a, ne, -1)
	}
	panic("no meaning of " + string(n.Op))
}

func each(a []float64, f func(float64) float64) []float64 {
	out := make([]float64, len(a))
	for i, x := range a {
		out[i] = f(x)
	}
	return out
}

func rowsOf(a []float64, width, outWidth int64, f func(dst, x []float64)) []float64 {
	rows := int64(len(a)) / width
	out := make([]float64, rows*outWidth)
	for r := range rows {
		f(out[r*outWidth:(r+1)*outWidth], a[r*width:(r+1)*width])
	}
	return out
}

func total(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum
}

func normalise(dst, x []float64, mean, eps float64) {
	sq := 0.0
	for _, v := range x {
		sq += (v - mean) * (v - mean)
	}
	r := math.Sqrt(sq/float64(len(x)) + eps)
	for i, v := range x {
		dst[i] = (v - mean) / r
	}
}

// index counts elements in the order of dimensions.
func index(ne [4]int64, i [4]int64) int64 { return i[0] + ne[0]*(i[1]+ne[1]*(i[2]+ne[2]*i[3])) }

// positions calls fn with every position of a tensor of shape ne, in order.
func positions(ne [4]int64, fn func(i [4]int64)) {
	for i3 := range ne[3] {
		for i2 := range ne[2] {
			for i1 := range ne[1] {
				for i0 := range ne[0] {
					fn([4]int64{i0, i1, i2, i3})
				}
			}
		}
	}
}

// repeated is b, of shape nb, repeated to shape ne.
func repeated(b []float64, nb, ne [4]int64) []float64 {
	var out []float64
	positions(ne, func(i [4]int64) {
		for k := range i {
			i[k] %= nb[k]
		}
		out = append(out, b[index(nb, i)])
	})
	return out
}

func (s *state) gated(n *Node, a []float64, act func(float64) float64) []float64 {
	if n.Src[1] >= 0 {
		b := s.read(n.Src[1])
		out := make([]float64, len(a))
		for i := range out {
			out[i] = act(a[i]) * b[i]
		}
		return out
	}
	half := n.Ne[0]
	return rowsOf(a, 2*half, half, func(dst, x []float64) {
		first, second := x[:half], x[half:]
		if n.Params[1] != 0 {
			first, second = second, first
		}
		for i := range dst {
			dst[i] = act(first[i]) * second[i]
		}
	})
}

func (s *state) concat(n *Node, a []float64, ne [4]int64) []float64 {
	b, nb, dim := s.read(n.Src[1]), s.g.Node(n.Src[1]).Ne, n.Params[0]
	var out []float64
	positions(n.Ne, func(i [4]int64) {
		if i[dim] < ne[dim] {
			out = append(out, a[index(ne, i)])
			return
		}
		i[dim] -= ne[dim]
		out = append(out, b[index(nb, i)])
	})
	return out
}

func padded(n *Node, a []float64, ne [4]int64) []float64 {
	var out []float64
	positions(n.Ne, func(i [4]int64) {
		for k := range i {
			i[k] -= int64(n.Params[2*k])
			if i[k] < 0 || i[k] >= ne[k] {
				out = append(out, 0)
				return
			}
		}
		out = append(out, a[index(ne, i)])
	})
	return out
}

func (s *state) getRows(n *Node, a []float64, ne [4]int64) []float64 {
	var out []float64
	for _, r := range s.read(n.Src[1]) {
		out = append(out, a[int64(r)*ne[0]:(int64(r)+1)*ne[0]]...)
	}
	return out
}

// setRows is the destination's own memory with the rows changed.
func (s *state) setRows(n *Node, a []float64, ne [4]int64) []float64 {
	out := s.read(n.Src[2])
	for i, r := range s.read(n.Src[1]) {
		copy(out[int64(r)*ne[0]:(int64(r)+1)*ne[0]], a[int64(i)*ne[0]:])
	}
	return out
}

func mulMat(a []float64, na [4]int64, b []float64, nb [4]int64) []float64 {
	out := make([]float64, 0, na[1]*nb[1]*nb[2]*nb[3])
	positions([4]int64{na[1], nb[1], nb[2], nb[3]}, func(i [4]int64) {
		// neighbouring matrices of b share one of a
		x := index(na, [4]int64{0, i[0], i[2] / (nb[2] / na[2]), i[3] / (nb[3] / na[3])})
		y := index(nb, [4]int64{0, i[1], i[2], i[3]})
		sum := 0.0
		for k := range na[0] {
			sum += a[x+k] * b[y+k]
		}
		out = append(out, sum)
	})
	return out
}

func outProd(a []float64, na, ne [4]int64, b []float64, nb [4]int64) []float64 {
	out := make([]float64, 0, ne[0]*ne[1]*ne[2]*ne[3])
	positions(ne, func(i [4]int64) {
		sum := 0.0
		for k := range na[1] {
			x := index(na, [4]int64{i[0], k, i[2] / (nb[2] / na[2]), i[3] / (nb[3] / na[3])})
			sum += a[x] * b[index(nb, [4]int64{i[1], k, i[2], i[3]})]
		}
		out = append(out, sum)
	})
	return out
}

func (s *state) softMax(n *Node, a []float64, ne [4]int64) []float64 {
	scale, bias := float64(n.param(0)), float64(n.param(1))
	var mask, sinks []float64
	if n.Src[1] >= 0 {
		mask = repeated(s.read(n.Src[1]), s.g.Node(n.Src[1]).Ne, ne)
	}
	if n.Src[2] >= 0 {
		sinks = s.read(n.Src[2])
	}
	row := 0
	return rowsOf(a, ne[0], ne[0], func(dst, x []float64) {
		head := int64(row) / ne[1] % ne[2]
		top := math.Inf(-1)
		if sinks != nil {
			top = sinks[head]
		}
		for i, v := range x {
			dst[i] = scale * v
			if mask != nil {
				dst[i] += slope(bias, head, ne[2]) * mask[int64(row)*ne[0]+int64(i)]
			}
			top = max(top, dst[i])
		}
		sum := 0.0
		if sinks != nil {
			sum = math.Exp(sinks[head] - top)
		}
		for i := range dst {
			dst[i] = math.Exp(dst[i] - top)
			sum += dst[i]
		}
		for i := range dst {
			dst[i] /= sum
		}
		row++
	})
}

// slope is ALiBi's for a head.
func slope(bias float64, head, heads int64) float64 {
	if bias <= 0 {
		return 1
	}
	power := int64(1) << int(math.Log2(float64(heads)))
	if head < power {
		return math.Pow(math.Pow(2, -bias/float64(power)), float64(head+1))
	}
	return math.Pow(math.Pow(2, -bias/2/float64(power)), float64(2*(head-power)+1))
}

// The modes of ROPE that the interpreter knows.
const (
	ropeNormal = 0
	ropeNeox   = 2
)

// rope rotates pairs of the first n_dims elements of each row [d, head, token].
func (s *state) rope(n *Node, a []float64, ne [4]int64, sign float64) []float64 {
	dims, mode := int64(n.Params[1]), n.Params[2]
	base, scale, factor := float64(n.param(5)), float64(n.param(6)), float64(n.param(8))
	pos := s.read(n.Src[1])
	var factors []float64
	if n.Src[2] >= 0 {
		factors = s.read(n.Src[2])
	}
	out := slices.Clone(a)
	positions([4]int64{dims / 2, ne[1], ne[2], ne[3]}, func(i [4]int64) {
		theta := pos[i[2]] * math.Pow(base, -2*float64(i[0])/float64(dims)) * scale
		if factors != nil {
			theta /= factors[i[0]]
		}
		sin, cos := math.Sincos(theta)
		sin *= sign
		row := index(ne, [4]int64{0, i[1], i[2], i[3]})
		x, y := row+2*i[0], row+2*i[0]+1
		if mode == ropeNeox {
			x, y = row+i[0], row+i[0]+dims/2
		}
		out[x], out[y] = factor*(a[x]*cos-a[y]*sin), factor*(a[x]*sin+a[y]*cos)
	})
	return out
}

// fixture is a graph under construction with values for its leaves.
type fixture struct {
	Builder
	t      testing.TB
	rng    *rand.Rand
	values map[ID][]float64
	known  map[ID][]int64 // row indices
}

func newFixture(t testing.TB) *fixture {
	return &fixture{
		Builder: Builder{&Graph{}}, t: t, rng: rand.New(rand.NewPCG(3, 5)),
		values: map[ID][]float64{}, known: map[ID][]int64{},
	}
}

func shape(ne ...int64) [4]int64 {
	s := [4]int64{1, 1, 1, 1}
	copy(s[:], ne)
	return s
}

func (f *fixture) random(ne [4]int64) []float64 {
	v := make([]float64, ne[0]*ne[1]*ne[2]*ne[3])
	for i := range v {
		v[i] = f.rng.NormFloat64()
	}
	return v
}

// leaf is an input of random values.
func (f *fixture) leaf(ne ...int64) ID { return f.leafOf(f.random(shape(ne...)), ne...) }

func (f *fixture) leafOf(v []float64, ne ...int64) ID {
	id := f.Input(F32, shape(ne...), fmt.Sprintf("leaf %d", len(f.Nodes)))
	f.values[id] = v
	return id
}

// weight is a matrix of the model with random values.
func (f *fixture) weight(t Type, name string, ne ...int64) ID {
	n := shaped(OpNone, F32, shape(ne...))
	n.Kind, n.Type, n.Name = Weight, t, name
	if size := t.Size(); size != 0 {
		n.Nb, _ = contiguousStrides(t, n.Ne)
	}
	id := f.Leaf(n)
	f.values[id] = f.random(n.Ne)
	return id
}

// cache is a leaf of earlier keys or values.
func (f *fixture) cache(ne ...int64) ID {
	n := shaped(OpNone, F32, shape(ne...))
	n.Kind, n.Name = Cache, "cache"
	id := f.Leaf(n)
	f.values[id] = f.random(n.Ne)
	return id
}

// indices is an input of row numbers.
func (f *fixture) indices(t Type, v ...int64) ID {
	id := f.Input(t, shape(int64(len(v))), "indices")
	f.known[id] = v
	for _, x := range v {
		f.values[id] = append(f.values[id], float64(x))
	}
	return id
}

// op appends an operator that the builder has no method for.
func (f *fixture) op(op Op, ne [4]int64, src ...ID) ID { return f.push(shaped(op, F32, ne, src...)) }

// with sets float parameters of a node, from the first on.
func (f *fixture) with(id ID, p ...float32) ID {
	for i, v := range p {
		f.Nodes[id].Params[i] = int32(math.Float32bits(v))
	}
	return id
}

func (f *fixture) indexValues(id ID) []int64 { return f.known[id] }

// evaluate runs the first n nodes; change overrides values of leaves.
func (f *fixture) evaluate(n int, change map[ID][]float64, consts ...Const) *state {
	s := newState(f.Graph)
	for id, v := range f.values {
		if c, ok := change[id]; ok {
			v = c
		}
		s.write(id, v)
	}
	s.setConsts(consts)
	s.run(n)
	return s
}

func (s *state) setConsts(consts []Const) {
	for _, c := range consts {
		var v []float64
		for _, x := range c.I32 {
			v = append(v, float64(x))
		}
		for _, x := range c.I64 {
			v = append(v, float64(x))
		}
		for _, x := range c.F32 {
			v = append(v, float64(x))
		}
		s.write(c.Node, v)
	}
}

// check compares the gradient of Σ r y, r random, with four-point differences
// at every element of each leaf.
func (f *fixture) check(y ID, wrt ...ID) {
	f.t.Helper()
	f.checkWith(nil, y, wrt...)
}

func (f *fixture) checkWith(transposes Transposes, y ID, wrt ...ID) {
	f.t.Helper()
	forward := len(f.Nodes)
	ne := f.Node(y).Ne
	seed := f.Input(F32, ne, "seed")
	r := f.random(ne)
	f.values[seed] = r
	g, err := Gradient(f.Graph, []Seed{{y, seed}}, wrt, f.indexValues, transposes)
	if err != nil {
		f.t.Fatal(err)
	}
	f.sound(forward)
	s := f.evaluate(len(f.Nodes), nil, g.Consts...)
	for _, id := range wrt {
		if g.Of[id] < 0 {
			f.t.Fatalf("no gradient for %v", f.Node(id))
		}
		if !f.Node(g.Of[id]).SameShape(f.Node(id)) {
			f.t.Fatalf("the gradient of %v is %v", f.Node(id), f.Node(g.Of[id]))
		}
		f.compare(id, s.read(g.Of[id]), func(v []float64) float64 {
			return dot(r, f.evaluate(forward, map[ID][]float64{id: v}).read(y))
		})
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// compare checks grad against differences of loss around the value of a leaf.
func (f *fixture) compare(id ID, grad []float64, loss func([]float64) float64) {
	f.t.Helper()
	const h = 1e-4 // rounding h^-1 1e-16, truncation h^4: both far below the bound
	scale := 0.0
	for _, v := range grad {
		scale = max(scale, math.Abs(v))
	}
	for i := range grad {
		at := func(step float64) float64 {
			v := slices.Clone(f.values[id])
			v[i] += step
			return loss(v)
		}
		want := (at(-2*h) - 8*at(-h) + 8*at(h) - at(2*h)) / (12 * h)
		// constants of the rules are float32
		if !(math.Abs(grad[i]-want) <= 2e-6*max(scale, 1)) {
			f.t.Fatalf("element %d of the gradient of %v is %g, the differences say %g", i, f.Node(id), grad[i], want)
		}
	}
	if scale == 0 {
		f.t.Errorf("the gradient of %v vanishes", f.Node(id))
	}
}

// sound checks that appended nodes are what ggml would accept: sources before
// users, views inside their memory, and operands laid out as kernels want them.
func (f *fixture) sound(from int) {
	f.t.Helper()
	for i := from; i < len(f.Nodes); i++ {
		id := ID(i)
		n := f.Node(id)
		f.Graph.sources(id, func(s ID) {
			if s >= id {
				f.t.Errorf("node %d, %v, uses node %d", id, n, s)
			}
		})
		if n.Kind == Computed && !wellFormed(f.Graph, n) {
			f.t.Errorf("node %d, %v, has operands that ggml refuses", id, n)
		}
		if n.ViewSrc >= 0 && f.Node(n.ViewSrc).Type.Size() != 0 {
			end := n.ViewOffs + n.Type.Size()
			for k := range n.Ne {
				end += uint64(n.Ne[k]-1) * n.Nb[k]
			}
			if size := f.Node(n.ViewSrc).Nb[3] * uint64(f.Node(n.ViewSrc).Ne[3]); end > size {
				f.t.Errorf("node %d, %v, ends at byte %d of %d", id, n, end, size)
			}
		}
	}
}

// wellFormed checks what ggml asserts on or some backend silently assumes.
func wellFormed(g *Graph, n *Node) bool {
	first := func() *Node { return g.Node(n.Src[0]) }
	switch n.Op {
	case OpAdd, OpSub, OpMul, OpDiv, OpRepeat:
		return first().Nb[0] == 4
	case OpMulMat:
		a, b := first(), g.Node(n.Src[1])
		plain := a.Type.Size() == 0 || a.Nb[0] == a.Type.Size() && a.Nb[0] <= a.Nb[1]
		return plain && a.Ne[0] == b.Ne[0] && b.Nb[0] == 4
	case OpOutProd:
		a, b := first(), g.Node(n.Src[1])
		return a.Type == F32 && b.Type == F32 && a.Nb[0] == 4 && a.Ne[1] == b.Ne[1]
	case OpReshape:
		return first().Contiguous()
	case OpScale, OpRopeBack, OpSumRows, OpMean, OpSqr, OpSqrt, OpSigmoid, OpStep, OpAbs, OpSgn, OpExp, OpClamp,
		OpSilu, OpGelu, OpGeluErf, OpGeluQuick, OpRelu:
		return first().Contiguous() && first().Nb[0] == 4
	case OpGetRows:
		return first().Ne[2] == 1 && first().Ne[3] == 1 && g.Node(n.Src[1]).Type == I32
	}
	return true
}
