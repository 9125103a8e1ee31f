package graph

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// ruleCase builds a node of an operator and says which leaves to derive by.
type ruleCase struct {
	name  string
	op    Op
	build func(f *fixture) (y ID, wrt []ID)
}

func unaryCase(op Op) ruleCase {
	return ruleCase{string(op), op, func(f *fixture) (ID, []ID) {
		a := f.leaf(5, 3, 2)
		return f.Unary(op, a), []ID{a}
	}}
}

// A strided operand: the rules must not take memory for packed rows.
func stridedCase(op Op, params ...float32) ruleCase {
	return ruleCase{string(op) + " strided", op, func(f *fixture) (ID, []ID) {
		a := f.leaf(9, 3, 2)
		part := f.View(a, shape(5, 3, 2), f.Node(a).Nb, 2*4)
		return f.with(f.op(op, shape(5, 3, 2), part), params...), []ID{a}
	}}
}

func binaryCase(name string, op Op, a, b [4]int64) ruleCase {
	return ruleCase{name, op, func(f *fixture) (ID, []ID) {
		x, y := f.leaf(a[:]...), f.leaf(b[:]...)
		if op == OpDiv {
			for i, v := range f.values[y] {
				f.values[y][i] = math.Copysign(math.Abs(v)+0.5, v)
			}
		}
		return f.binary(op, x, y), []ID{x, y}
	}}
}

// twice uses one node as both operands.
func twiceCase(op Op) ruleCase {
	return ruleCase{string(op) + " of one node", op, func(f *fixture) (ID, []ID) {
		x := f.leaf(4, 3)
		return f.binary(op, f.Scale(x, 2, 0.5), x), []ID{x}
	}}
}

func gluCase(op Op, split, swapped bool) ruleCase {
	name := string(op)
	if split {
		name += " split"
	}
	if swapped {
		name += " swapped"
	}
	return ruleCase{name, op, func(f *fixture) (y ID, wrt []ID) {
		if split {
			a, b := f.leaf(4, 3), f.leaf(4, 3)
			y, wrt = f.op(op, shape(4, 3), a, b), []ID{a, b}
		} else {
			a := f.leaf(8, 3)
			y, wrt = f.op(op, shape(4, 3), a), []ID{a}
		}
		if swapped {
			f.Nodes[y].Params[1] = 1
		}
		return y, wrt
	}}
}

func ruleCases() []ruleCase {
	cases := []ruleCase{
		{"SCALE", OpScale, func(f *fixture) (ID, []ID) {
			a := f.leaf(4, 3)
			return f.Scale(a, -1.5, 0.7), []ID{a}
		}},
		{"SUM_ROWS", OpSumRows, func(f *fixture) (ID, []ID) {
			a := f.leaf(4, 3, 2)
			return f.SumRows(a), []ID{a}
		}},
		{"REPEAT", OpRepeat, func(f *fixture) (ID, []ID) {
			a := f.leaf(2, 1, 3)
			return f.op(OpRepeat, shape(4, 5, 6, 2), a), []ID{a}
		}},
		{"CLAMP", OpClamp, func(f *fixture) (ID, []ID) {
			a := f.leaf(6, 4)
			return f.Clamp(a, -0.5, 0.8), []ID{a}
		}},
		{"CLAMP below only", OpClamp, func(f *fixture) (ID, []ID) {
			a := f.leaf(6, 4)
			return f.Clamp(a, -0.5, math.MaxFloat32), []ID{a}
		}},
		{"CLAMP without a bound", OpClamp, func(f *fixture) (ID, []ID) {
			a := f.leaf(6, 4)
			return f.Clamp(a, float32(math.Inf(-1)), float32(math.Inf(1))), []ID{a}
		}},
		{"CLAMP in place", OpClamp, func(f *fixture) (ID, []ID) {
			a := f.leaf(6, 4)
			x := f.Scale(a, 1, 0)
			id := f.with(f.op(OpClamp, shape(6, 4), x), -0.5, 0.8)
			f.Nodes[id].ViewSrc = x
			return id, []ID{a}
		}},
		{"RMS_NORM", OpRMSNorm, func(f *fixture) (ID, []ID) {
			a := f.leaf(6, 3, 2)
			return f.with(f.op(OpRMSNorm, shape(6, 3, 2), a), 1e-3), []ID{a}
		}},
		{"NORM", OpNorm, func(f *fixture) (ID, []ID) {
			a := f.leaf(6, 3, 2)
			return f.with(f.op(OpNorm, shape(6, 3, 2), a), 1e-3), []ID{a}
		}},
		{"CONT of a permutation", OpCont, func(f *fixture) (ID, []ID) {
			a := f.leaf(2, 3, 4)
			return f.Cont(f.Permute(a, [4]int{1, 2, 0, 3})), []ID{a}
		}},
		{"CONT to another shape", OpCont, func(f *fixture) (ID, []ID) {
			a := f.leaf(2, 3, 4)
			return f.op(OpCont, shape(6, 4), f.Permute(a, [4]int{1, 0, 2, 3})), []ID{a}
		}},
		{"DUP", OpDup, func(f *fixture) (ID, []ID) {
			a := f.leaf(2, 3)
			return f.op(OpDup, shape(2, 3), a), []ID{a}
		}},
		{"CPY", OpCpy, func(f *fixture) (ID, []ID) {
			a := f.leaf(2, 3)
			return f.op(OpCpy, shape(2, 3), a, Self), []ID{a}
		}},
		{"RESHAPE", OpReshape, func(f *fixture) (ID, []ID) {
			a := f.leaf(4, 3)
			return f.Sqr(f.Reshape(a, shape(2, 3, 2))), []ID{a}
		}},
		{"TRANSPOSE", OpTranspose, func(f *fixture) (ID, []ID) {
			a := f.leaf(4, 3, 2)
			return f.Transpose(f.Sqr(a)), []ID{a}
		}},
		{"PAD", OpPad, func(f *fixture) (ID, []ID) {
			a := f.leaf(3, 2, 2)
			id := f.op(OpPad, shape(6, 3, 4, 2), a)
			f.Nodes[id].Params = [16]int32{1, 2, 0, 1, 2, 0, 1, 0}
			return id, []ID{a}
		}},
		{"GET_ROWS", OpGetRows, func(f *fixture) (ID, []ID) {
			a := f.leaf(3, 5)
			return f.GetRows(a, f.indices(I32, 4, 0, 2)), []ID{a}
		}},
		{"GET_ROWS of all rows", OpGetRows, func(f *fixture) (ID, []ID) {
			a := f.leaf(3, 2)
			return f.GetRows(a, f.indices(I32, 1, 0)), []ID{a}
		}},
	}
	for _, op := range []Op{OpSqr, OpRelu, OpSigmoid, OpTanh, OpSilu, OpGelu, OpGeluQuick, OpGeluErf} {
		cases = append(cases, unaryCase(op))
	}
	for _, op := range []Op{OpSilu, OpGelu, OpGeluErf, OpGeluQuick} {
		cases = append(cases, stridedCase(op))
	}
	cases = append(cases, stridedCase(OpRMSNorm, 1e-3), stridedCase(OpNorm, 1e-3))
	for _, op := range []Op{OpAdd, OpSub, OpMul, OpDiv} {
		cases = append(cases,
			binaryCase(string(op), op, shape(4, 3, 2), shape(4, 3, 2)),
			binaryCase(string(op)+" of a row", op, shape(4, 3, 2), shape(4)),
			binaryCase(string(op)+" of a column", op, shape(4, 3, 2), shape(1, 3)),
			binaryCase(string(op)+" of a part repeated", op, shape(6, 4, 2, 4), shape(3, 2, 2, 1)),
			binaryCase(string(op)+" of a number", op, shape(2, 3, 2, 2), shape(1)),
			twiceCase(op))
	}
	for op := range maps.Keys(gate) {
		cases = append(cases, gluCase(op, true, false), gluCase(op, false, false), gluCase(op, false, true), gluCase(op, true, true))
	}
	for dim := range 4 {
		cases = append(cases, concatCase(dim))
	}
	return slices.Concat(cases, permuteCases(), viewCases(), softMaxCases(), mulMatCases(), outProdCases(), ropeCases())
}

func concatCase(dim int) ruleCase {
	return ruleCase{"CONCAT " + string(rune('0'+dim)), OpConcat, func(f *fixture) (ID, []ID) {
		a, b := shape(2, 3, 2, 2), shape(2, 3, 2, 2)
		b[dim] = 5
		x, y := f.leaf(a[:]...), f.leaf(b[:]...)
		return f.Concat(x, y, dim), []ID{x, y}
	}}
}

func permuteCases() []ruleCase {
	var cases []ruleCase
	for _, axes := range [][4]int{{1, 0, 2, 3}, {0, 2, 1, 3}, {2, 0, 3, 1}, {3, 2, 1, 0}, {1, 2, 3, 0}} {
		cases = append(cases, ruleCase{"PERMUTE", OpPermute, func(f *fixture) (ID, []ID) {
			a := f.leaf(2, 3, 4, 5)
			return f.Permute(f.Sqr(a), axes), []ID{a}
		}})
	}
	return cases
}

func viewCases() []ruleCase {
	view := func(name string, f func(f *fixture, a ID) ID) ruleCase {
		return ruleCase{"VIEW " + name, OpView, func(fx *fixture) (ID, []ID) {
			a := fx.leaf(6, 4, 3)
			return fx.Sqr(f(fx, fx.Scale(a, 0.5, 1))), []ID{a}
		}}
	}
	return []ruleCase{
		view("of rows", func(f *fixture, a ID) ID { return f.View(a, shape(6, 2, 3), f.Node(a).Nb, 6*4) }),
		view("of columns", func(f *fixture, a ID) ID { return f.View(a, shape(2, 4, 3), f.Node(a).Nb, 3*4) }),
		view("of odd columns", func(f *fixture, a ID) ID { return f.View(a, shape(3, 4, 3), f.Node(a).Nb, 1*4) }),
		view("of heads in a fused row", func(f *fixture, a ID) ID {
			return f.View(a, shape(2, 2, 4, 3), [4]uint64{4, 8, 24, 96}, 2*4)
		}),
		view("of a permutation", func(f *fixture, a ID) ID {
			p := f.Permute(a, [4]int{0, 2, 1, 3}) // [6, 3, 4]
			return f.View(p, shape(6, 2, 2), f.Node(p).Nb, f.Node(p).Nb[1]+f.Node(p).Nb[2])
		}),
		view("of a view", func(f *fixture, a ID) ID {
			v := f.View(a, shape(4, 4, 2), f.Node(a).Nb, 4+96)
			return f.View(v, shape(2, 3, 2), f.Node(v).Nb, 2*4+24)
		}),
		view("in other dimensions", func(f *fixture, a ID) ID {
			return f.View(a, shape(4, 6), [4]uint64{4, 16, 96, 96}, 0)
		}),
	}
}

func softMaxCases() []ruleCase {
	const hidden = 2 // the keys of each query after this one are masked
	build := func(masked bool, streams, masks int64, bias float32, sinks bool) func(f *fixture) (ID, []ID) {
		return func(f *fixture) (ID, []ID) {
			ne := shape(5, 3, 6, streams)
			a := f.leaf(ne[:]...)
			src := []ID{a}
			if masked {
				m := f.leaf(5, 3, 1, masks)
				for i := range f.values[m] {
					if key, query := i%5, i/5%3; key > query+hidden {
						f.values[m][i] = math.Inf(-1)
					}
				}
				src = append(src, m)
			}
			if sinks {
				if !masked {
					src = append(src, None)
				}
				src = append(src, f.leaf(6))
			}
			return f.with(f.op(OpSoftMax, ne, src...), 0.7, bias), []ID{a}
		}
	}
	return []ruleCase{
		{"SOFT_MAX", OpSoftMax, build(false, 1, 1, 0, false)},
		{"SOFT_MAX masked", OpSoftMax, build(true, 1, 1, 0, false)},
		{"SOFT_MAX with a mask for each stream", OpSoftMax, build(true, 2, 2, 0, false)},
		{"SOFT_MAX with ALiBi", OpSoftMax, build(true, 1, 1, 8, false)},
		{"SOFT_MAX with sinks", OpSoftMax, build(false, 1, 1, 0, true)},
		{"SOFT_MAX with everything", OpSoftMax, build(true, 2, 1, 4, true)},
	}
}

func mulMatCases() []ruleCase {
	product := func(name string, a, b [4]int64) ruleCase {
		return ruleCase{"MUL_MAT " + name, OpMulMat, func(f *fixture) (ID, []ID) {
			x, y := f.leaf(a[:]...), f.leaf(b[:]...)
			return f.MulMat(x, y), []ID{x, y}
		}}
	}
	weighted := func(t Type, name string) ruleCase {
		return ruleCase{"MUL_MAT " + name, OpMulMat, func(f *fixture) (ID, []ID) {
			w, y := f.weight(t, "w", 4, 3), f.leaf(4, 5, 2)
			return f.MulMat(w, y), []ID{y}
		}}
	}
	return []ruleCase{
		product("of matrices", shape(4, 3), shape(4, 5)),
		product("of heads", shape(4, 3, 2), shape(4, 5, 2)),
		product("of grouped heads", shape(4, 3, 2), shape(4, 5, 6)),
		product("of one head for all", shape(4, 3, 1), shape(4, 5, 6)),
		product("of grouped heads in streams", shape(4, 3, 2, 3), shape(4, 5, 4, 3)),
		product("of a vector", shape(4, 3), shape(4)),
		{"MUL_MAT of permuted heads", OpMulMat, func(f *fixture) (ID, []ID) {
			k, q := f.leaf(4, 2, 3), f.leaf(4, 4, 5) // [d, heads, tokens]
			return f.MulMat(f.Permute(k, [4]int{0, 2, 1, 3}), f.Permute(q, [4]int{0, 2, 1, 3})), []ID{k, q}
		}},
		{"MUL_MAT of a node with itself", OpMulMat, func(f *fixture) (ID, []ID) {
			a := f.leaf(4, 3)
			return f.MulMat(a, a), []ID{a}
		}},
		weighted(F32, "with a weight"),
		weighted(F16, "with a 16-bit weight"),
		weighted(Q8_0, "with a packed weight"),
		{"MUL_MAT with experts' weights", OpMulMat, func(f *fixture) (ID, []ID) {
			w, y := f.weight(F16, "w", 4, 3, 2), f.leaf(4, 5, 2)
			return f.MulMat(w, y), []ID{y}
		}},
		{"MUL_MAT with a part of a weight", OpMulMat, func(f *fixture) (ID, []ID) {
			w, y := f.weight(F32, "w", 4, 6), f.leaf(4, 5)
			return f.MulMat(f.View(w, shape(4, 3), f.Node(w).Nb, 3*16), y), []ID{y}
		}},
	}
}

func outProdCases() []ruleCase {
	product := func(name string, build func(f *fixture) (x, y ID)) ruleCase {
		return ruleCase{"OUT_PROD " + name, OpOutProd, func(f *fixture) (ID, []ID) {
			x, y := build(f)
			return f.OutProd(x, y), []ID{x, y}
		}}
	}
	return []ruleCase{
		product("of matrices", func(f *fixture) (x, y ID) { return f.leaf(4, 3), f.leaf(5, 3) }),
		product("of heads", func(f *fixture) (x, y ID) { return f.leaf(4, 3, 2, 2), f.leaf(5, 3, 2, 2) }),
		{"OUT_PROD of a transposed matrix", OpOutProd, func(f *fixture) (ID, []ID) {
			x, y := f.leaf(4, 3, 2), f.leaf(3, 5, 2)
			return f.OutProd(f.Scale(x, 1, 0.5), f.Transpose(f.Scale(y, 2, 0))), []ID{x, y}
		}},
		{"OUT_PROD by one head for all", OpOutProd, func(f *fixture) (ID, []ID) {
			x, y := f.leaf(4, 3), f.leaf(5, 3, 6)
			return f.OutProd(x, y), []ID{y}
		}},
		{"OUT_PROD for MUL_MAT of few terms", OpMulMat, func(f *fixture) (ID, []ID) {
			x, y := f.leaf(4, fewTerms, 2), f.leaf(4, 3, 6)
			return f.MulMat(x, y), []ID{x, y}
		}},
		{"MUL_MAT of many terms", OpMulMat, func(f *fixture) (ID, []ID) {
			x, y := f.leaf(4, fewTerms+1, 2), f.leaf(4, fewTerms+1, 2)
			return f.MulMat(x, y), []ID{x, y}
		}},
	}
}

func ropeCases() []ruleCase {
	rope := func(name string, mode int32, dims int64, factors bool, attn float32) ruleCase {
		return ruleCase{"ROPE " + name, OpRope, func(f *fixture) (ID, []ID) {
			a := f.leaf(6, 2, 3)
			src := []ID{a, f.indices(I32, 5, 0, 11)}
			if factors {
				src = append(src, f.leafOf([]float64{1, 1.5, 4}[:dims/2], dims/2))
			}
			id := f.op(OpRope, shape(6, 2, 3), src...)
			n := f.Node(id)
			n.Params[1], n.Params[2] = int32(dims), mode
			for i, v := range map[int]float32{5: 10000, 6: 0.5, 8: attn} {
				n.Params[i] = int32(math.Float32bits(v))
			}
			n.Params[15] = 77 // stands for the offset, which must not be lost
			return id, []ID{a}
		}}
	}
	return []ruleCase{
		rope("of pairs", ropeNormal, 6, false, 1),
		rope("of halves", ropeNeox, 6, true, 1),
		rope("of a part", ropeNeox, 4, false, 1.3),
	}
}

func TestRules(t *testing.T) {
	seen := map[Op]bool{}
	for _, c := range ruleCases() {
		seen[c.op] = true
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			y, wrt := c.build(f)
			f.check(y, wrt...)
		})
	}
	for op := range rules {
		if !seen[op] {
			t.Errorf("the rule of %s is not tested", op)
		}
	}
}

// The exact form of GELU divides by its operand: far out and at 0 it must not.
func TestGeluErfRange(t *testing.T) {
	f := newFixture(t)
	a := f.leafOf([]float64{0, 1e-9, -1e-9, 1e-3, -1e-3, 6, -6, 40, -40}, 9)
	f.check(f.Unary(OpGeluErf, a), a)
}

// ROPE_BACK takes every parameter of the forward.
func TestRopeParameters(t *testing.T) {
	for _, c := range ropeCases() {
		f := newFixture(t)
		y, wrt := c.build(f)
		seed := f.leaf(6, 2, 3)
		g, err := Gradient(f.Graph, []Seed{{y, seed}}, wrt, f.indexValues, nil)
		if err != nil {
			t.Fatal(err)
		}
		back := f.Node(g.Of[wrt[0]])
		if back.Op != OpRopeBack || back.Params != f.Node(y).Params || back.Src[2] != f.Node(y).Src[2] {
			t.Errorf("%s: the reverse is %v with parameters %v", c.name, back, back.Params)
		}
	}
}

// A weight whose transpose is kept is multiplied with that, as often as it is used.
func TestKeptTranspose(t *testing.T) {
	f := newFixture(t)
	w, y := f.weight(Q8_0, "w", 4, 3), f.leaf(4, 5)
	kept := f.leaf(3, 4)
	for i := range 4 {
		for j := range 3 {
			f.values[kept][i*3+j] = f.values[w][j*4+i]
		}
	}
	calls := 0
	f.checkWith(func(_ Builder, weight ID) ID {
		if weight != w {
			t.Errorf("the transpose of node %d is asked for", weight)
		}
		calls++
		return kept
	}, f.MulMat(w, y), y)
	if calls != 1 {
		t.Errorf("the transpose was asked for %d times", calls)
	}
}

// A large weight is transposed, or its rows added up, a block of rows at a time;
// the parts add up.
func TestWeightBlocks(t *testing.T) {
	for _, form := range []struct {
		op    Op
		most  int64 // elements of a block
		batch int64 // rows that meet the weight
	}{{OpOutProd, sumElements, 2}, {OpMulMat, blockElements, fewRows + 1}} {
		for _, typ := range []Type{F32, F16, Q8_0} {
			f := newFixture(t)
			k, m := form.most/2, int64(5) // two rows a block
			n := shaped(OpNone, F32, Shape2(k, m))
			n.Kind, n.Type, n.Name = Weight, typ, "w"
			w, y := f.Leaf(n), f.Input(F32, Shape2(k, form.batch), "y")
			out := f.MulMat(w, y)
			seed := f.Input(F32, f.Node(out).Ne, "seed")
			forward := len(f.Nodes)
			g, err := Gradient(f.Graph, []Seed{{out, seed}}, []ID{y}, f.indexValues, nil)
			if err != nil {
				t.Fatal(err)
			}
			f.sound(forward)
			var blocks, rows int64
			for i := forward; i < len(f.Nodes); i++ {
				if op := f.Nodes[i].Op; op == OpMulMat || op == OpOutProd {
					if op != form.op {
						t.Errorf("%v for %d rows", f.Node(ID(i)), form.batch)
					}
					blocks++
					// a transposed block has its rows first
					rows += f.Node(f.Nodes[i].Src[0]).Elements() / k
				}
				if f.Nodes[i].Op == OpCont && f.Nodes[i].Elements() > form.most {
					t.Errorf("type %d: %v is a copy of more than a block", typ, f.Node(ID(i)))
				}
			}
			if blocks != 3 || rows != m || f.Node(g.Of[y]).Ne != f.Node(y).Ne {
				t.Errorf("type %d: %d blocks of %d rows in all", typ, blocks, rows)
			}
		}
	}
}

// Few rows and many meet a weight in different ways, with the same derivative.
func TestManyRows(t *testing.T) {
	for _, rows := range []int64{fewRows, fewRows + 1} {
		f := newFixture(t)
		w, y := f.weight(Q8_0, "w", 4, 3), f.leaf(4, rows)
		f.check(f.MulMat(w, y), y)
	}
}

// Derivatives chain through nodes that are used several times, and through
// other views of the same memory.
func TestSharedNodes(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4, 3)
	s := f.Unary(OpSilu, x)
	a := f.Mul(s, f.Sqr(s))
	b := f.Cont(f.Transpose(f.Reshape(f.Cont(f.Transpose(s)), Shape2(3, 4))))
	y := f.Add(f.Add(a, f.Reshape(b, Shape2(4, 3))), s)
	f.check(f.Mul(y, x), x)
}

// A gradient that comes permuted or with the odd strides of a transposed vector
// goes into every rule in a form that kernels take.
func TestPermutedGradients(t *testing.T) {
	for _, c := range ruleCases() {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			y, wrt := c.build(f)
			f.check(f.Permute(y, [4]int{3, 1, 0, 2}), wrt...)
		})
	}
	for _, op := range []Op{OpAdd, OpSub, OpMul, OpDiv, OpSumRows, OpRepeat} {
		f := newFixture(t)
		x, other := f.leaf(1, 5), f.leaf(1, 5)
		var y ID
		switch op {
		case OpSumRows:
			x = f.leaf(3, 5)
			y = f.SumRows(x)
		case OpRepeat:
			y = f.op(OpRepeat, shape(1, 5, 2), x)
		default:
			y = f.binary(op, x, other)
		}
		f.check(f.Sqr(f.Transpose(y)), x)
	}
}

// A gradient asked for at nodes of which one depends on the other is whole at
// both: the later one's own part goes on to the earlier.
func TestNestedTargets(t *testing.T) {
	f := newFixture(t)
	x := f.leaf(4)
	y := f.Scale(x, 3, 0)
	z := f.Mul(y, x)
	seed := f.leafOf([]float64{1, 1, 1, 1}, 4)
	g, err := Gradient(f.Graph, []Seed{{z, seed}}, []ID{x, y}, f.indexValues, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := f.evaluate(len(f.Nodes), nil, g.Consts...)
	for i, v := range f.values[x] {
		if got := s.read(g.Of[x])[i]; math.Abs(got-6*v) > 1e-12 {
			t.Errorf("d(3 x x)/dx at %g is %g", v, got)
		}
		if got := s.read(g.Of[y])[i]; math.Abs(got-v) > 1e-12 {
			t.Errorf("d(x y)/dy at x = %g is %g", v, got)
		}
	}
}

// Several seeds add up, on one node too, and what the loss does not depend on
// has no gradient.
func TestSeeds(t *testing.T) {
	f := newFixture(t)
	x, other := f.leaf(3), f.leaf(3)
	y := f.Sqr(x)
	z := f.Scale(y, 2, 0)
	f.Sqr(other)
	one, two := f.leafOf([]float64{1, 1, 1}, 3), f.leafOf([]float64{2, 2, 2}, 3)
	g, err := Gradient(f.Graph, []Seed{{y, one}, {z, two}, {z, one}}, []ID{x, other}, f.indexValues, nil)
	if err != nil {
		t.Fatal(err)
	}
	if g.Of[other] != None {
		t.Errorf("a leaf that the loss does not depend on has the gradient %v", f.Node(g.Of[other]))
	}
	s := f.evaluate(len(f.Nodes), nil, g.Consts...)
	for i, got := range s.read(g.Of[x]) {
		if want := (1 + 2*3) * 2 * f.values[x][i]; math.Abs(got-want) > 1e-12 {
			t.Errorf("the gradient is %g, not %g", got, want)
		}
	}
}

func TestNoRule(t *testing.T) {
	build := func() (*fixture, ID, ID) {
		f := newFixture(t)
		x := f.leaf(4)
		odd := f.op("SSM_SCAN", shape(4), x)
		f.Nodes[odd].Name = "scan-3"
		return f, x, odd
	}
	f, x, odd := build()
	y := f.Sqr(odd)
	_, err := Gradient(f.Graph, []Seed{{y, f.leaf(4)}}, []ID{x}, f.indexValues, nil)
	if !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), "SSM_SCAN") || !strings.Contains(err.Error(), "scan-3") {
		t.Errorf("an operator without a rule: %v", err)
	}
	// off the path between loss and leaf it is nobody's business
	f, x, _ = build()
	y = f.Sqr(x)
	if _, err := Gradient(f.Graph, []Seed{{y, f.leaf(4)}}, []ID{x}, f.indexValues, nil); err != nil {
		t.Errorf("an operator beside the path: %v", err)
	}
	// above the leaf as well
	f, _, odd = build()
	y = f.Sqr(odd)
	if _, err := Gradient(f.Graph, []Seed{{y, f.leaf(4)}}, []ID{odd}, f.indexValues, nil); err != nil {
		t.Errorf("an operator above the leaf: %v", err)
	}
}

// What a rule cannot know or do is refused by the node's name.
func TestRefusedGradients(t *testing.T) {
	for _, c := range []struct {
		name, want string
		build      func(f *fixture) (y, x ID)
	}{
		{"rows that are not known", "not known", func(f *fixture) (ID, ID) {
			x, idx := f.leaf(3, 5), f.Input(I32, shape(2), "idx")
			return f.GetRows(x, idx), x
		}},
		{"a row picked twice", "row 1 twice", func(f *fixture) (ID, ID) {
			x := f.leaf(3, 5)
			return f.GetRows(x, f.indices(I32, 1, 1)), x
		}},
		{"a row past the end", "row 5", func(f *fixture) (ID, ID) {
			x := f.leaf(3, 5)
			return f.GetRows(x, f.indices(I32, 1, 5)), x
		}},
		{"a negative row", "row -2", func(f *fixture) (ID, ID) {
			x := f.leaf(3, 5)
			return f.GetRows(x, f.indices(I32, -2)), x
		}},
		{"streams that repeat", "streams", func(f *fixture) (ID, ID) {
			x, y := f.leaf(4, 3, 2, 1), f.leaf(4, 5, 2, 2)
			return f.MulMat(x, y), x
		}},
		{"experts of a packed type", "quantised weight", func(f *fixture) (ID, ID) {
			w, x := f.weight(Q8_0, "experts", 4, 3, 2), f.leaf(4, 5, 2)
			return f.MulMat(w, x), x
		}},
		{"a cache in 16 bits", "type 1", func(f *fixture) (ID, ID) {
			x := f.leaf(4, 2)
			c := f.cache(4, 6)
			f.Nodes[c].Type = F16
			f.Nodes[c].Nb, _ = contiguousStrides(F16, f.Nodes[c].Ne)
			f.SetRows(c, x, f.indices(I64, 1, 2))
			return f.Cast(f.View(c, shape(4, 6), f.Node(c).Nb, 0), F32), x
		}},
		{"cache rows that are not known", "cache rows", func(f *fixture) (ID, ID) {
			x, c := f.leaf(4, 2), f.cache(4, 6)
			f.SetRows(c, x, f.Input(I64, shape(2), "idx"))
			return f.Sqr(f.View(c, shape(4, 6), f.Node(c).Nb, 0)), x
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			y, x := c.build(f)
			f.Nodes[y].Name = "the node"
			ne := f.Node(y).Ne
			_, err := Gradient(f.Graph, []Seed{{y, f.leaf(ne[:]...)}}, []ID{x}, f.indexValues, nil)
			if !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
