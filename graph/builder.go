package graph

import (
	"fmt"
	"math"
)

// Builder appends nodes to a graph. Its methods check the shapes that ggml
// would assert on and panic on a mismatch: that is a programmer's error, never
// a file's.
type Builder struct {
	*Graph
}

func (b Builder) push(n Node) ID {
	b.Nodes = append(b.Nodes, n)
	return ID(len(b.Nodes) - 1)
}

// shaped is a computed node of contiguous memory.
func shaped(op Op, t Type, ne [4]int64, src ...ID) Node {
	n := Node{Op: op, Type: t, Ne: ne, ViewSrc: None}
	nb, ok := contiguousStrides(t, ne)
	if !ok {
		panic(fmt.Sprintf("graph: %s of type %d", op, t))
	}
	n.Nb = nb
	for i := range n.Src {
		n.Src[i] = None
	}
	copy(n.Src[:], src)
	return n
}

func (b Builder) like(op Op, a ID, src ...ID) ID {
	return b.push(shaped(op, F32, b.Nodes[a].Ne, src...))
}

// Input appends a leaf that the caller sets before a run.
func (b Builder) Input(t Type, ne [4]int64, name string) ID {
	n := shaped(OpNone, t, ne)
	n.Kind = Input
	n.Name = name
	return b.push(n)
}

// Shape2 is the shape of a matrix.
func Shape2(ne0, ne1 int64) [4]int64 { return [4]int64{ne0, ne1, 1, 1} }

func (b Builder) binary(op Op, x, y ID) ID {
	nx, ny := b.Node(x), b.Node(y)
	for i := range nx.Ne {
		if nx.Ne[i]%ny.Ne[i] != 0 {
			panic(fmt.Sprintf("graph: %s of %v and %v", op, nx.Ne, ny.Ne))
		}
	}
	if !nx.packedRows() {
		x = b.Cont(x) // only y may be permuted
	}
	return b.like(op, x, x, y)
}

// Add is x + y; y repeats along dimensions where x is longer. So in Sub, Mul
// and Div.
func (b Builder) Add(x, y ID) ID { return b.binary(OpAdd, x, y) }

// Sub is x - y.
func (b Builder) Sub(x, y ID) ID { return b.binary(OpSub, x, y) }

// Mul is x y, element by element.
func (b Builder) Mul(x, y ID) ID { return b.binary(OpMul, x, y) }

// Div is x / y, element by element.
func (b Builder) Div(x, y ID) ID { return b.binary(OpDiv, x, y) }

// Scale is s x + c.
func (b Builder) Scale(x ID, s, c float32) ID {
	id := b.like(OpScale, x, b.Cont(x))
	b.Nodes[id].Params[0] = int32(math.Float32bits(s))
	b.Nodes[id].Params[1] = int32(math.Float32bits(c))
	return id
}

// Clamp limits x to [lo, hi].
func (b Builder) Clamp(x ID, lo, hi float32) ID {
	id := b.like(OpClamp, x, b.Cont(x))
	b.Nodes[id].Params[0] = int32(math.Float32bits(lo))
	b.Nodes[id].Params[1] = int32(math.Float32bits(hi))
	return id
}

// Unary applies an operator of one operand, element by element.
func (b Builder) Unary(op Op, x ID) ID { return b.like(op, x, b.Cont(x)) }

// Sqr is x x.
func (b Builder) Sqr(x ID) ID { return b.Unary(OpSqr, x) }

// SumRows sums each row: [n, ...] becomes [1, ...].
func (b Builder) SumRows(x ID) ID { return b.rowwise(OpSumRows, x) }

// Mean is the mean of each row.
func (b Builder) Mean(x ID) ID { return b.rowwise(OpMean, x) }

func (b Builder) rowwise(op Op, x ID) ID {
	ne := b.Node(x).Ne
	ne[0] = 1
	return b.push(shaped(op, F32, ne, b.Cont(x)))
}

// SoftMax is the softmax of each row.
func (b Builder) SoftMax(x ID) ID {
	id := b.like(OpSoftMax, x, b.Cont(x))
	b.Nodes[id].Params[0] = int32(math.Float32bits(1))
	return id
}

// Fill is a tensor of shape ne with c in every element. like gives ggml a
// tensor to take the shape from.
func (b Builder) Fill(like ID, c float32) ID {
	id := b.like(OpFill, like, like)
	b.Nodes[id].Params[0] = int32(math.Float32bits(c))
	return id
}

// MulMat is [m, n, ...] for x [k, m, ...] and y [k, n, ...]; the higher
// dimensions of x repeat to meet y's. x may be a weight of any type.
func (b Builder) MulMat(x, y ID) ID {
	nx, ny := b.Node(x), b.Node(y)
	if nx.Ne[0] != ny.Ne[0] || ny.Ne[2]%nx.Ne[2] != 0 || ny.Ne[3]%nx.Ne[3] != 0 {
		panic(fmt.Sprintf("graph: MUL_MAT of %v and %v", nx.Ne, ny.Ne))
	}
	return b.push(shaped(OpMulMat, F32, [4]int64{nx.Ne[1], ny.Ne[1], ny.Ne[2], ny.Ne[3]}, x, y))
}

// OutProd is the sum of the outer products of rows: [m, n, ...] for x [m, k, ...]
// and y [n, k, ...]; the higher dimensions of x repeat to meet y's. y may be
// transposed: no operand needs a copy that way round.
func (b Builder) OutProd(x, y ID) ID {
	nx, ny := b.Node(x), b.Node(y)
	if nx.Ne[1] != ny.Ne[1] || ny.Ne[2]%nx.Ne[2] != 0 || ny.Ne[3]%nx.Ne[3] != 0 {
		panic(fmt.Sprintf("graph: OUT_PROD of %v and %v", nx.Ne, ny.Ne))
	}
	if !nx.packedRows() {
		x = b.Cont(x)
	}
	return b.push(shaped(OpOutProd, F32, [4]int64{nx.Ne[0], ny.Ne[0], ny.Ne[2], ny.Ne[3]}, x, y))
}

// DotRows is the product of each row of x with that of y, [1, ...].
func (b Builder) DotRows(x, y ID) ID {
	ne := b.Node(x).Ne
	rows := [4]int64{ne[0], 1, ne[1] * ne[2] * ne[3], 1}
	dot := b.MulMat(b.Reshape(x, rows), b.Reshape(y, rows))
	return b.Reshape(dot, [4]int64{1, ne[1], ne[2], ne[3]})
}

// GetRows picks the rows idx [n] (I32) of the matrix x, as F32.
func (b Builder) GetRows(x, idx ID) ID {
	nx, ni := b.Node(x), b.Node(idx)
	if ni.Type != I32 || nx.Ne[2] != ni.Ne[1] || nx.Ne[3] != ni.Ne[2] {
		panic(fmt.Sprintf("graph: GET_ROWS of %v by %v", nx.Ne, ni.Ne))
	}
	return b.push(shaped(OpGetRows, F32, [4]int64{nx.Ne[0], ni.Ne[0], ni.Ne[1], ni.Ne[2]}, x, idx))
}

// Concat joins x and y along a dimension.
func (b Builder) Concat(x, y ID, dim int) ID {
	ne := b.Node(x).Ne
	for i := range ne {
		if i != dim && ne[i] != b.Node(y).Ne[i] {
			panic(fmt.Sprintf("graph: CONCAT of %v and %v along %d", ne, b.Node(y).Ne, dim))
		}
	}
	ne[dim] += b.Node(y).Ne[dim]
	n := shaped(OpConcat, F32, ne, x, y)
	n.Params[0] = int32(dim)
	return b.push(n)
}

// Cont is x in contiguous memory: x itself if it is so already. A transposed
// vector is, but kernels refuse a first stride that is not one element: it gets
// that by a look that copies nothing.
func (b Builder) Cont(x ID) ID {
	n := *b.Node(x)
	switch {
	case !n.Contiguous():
		return b.push(shaped(OpCont, n.Type, n.Ne, x))
	case n.packedRows():
		return x
	}
	nb, _ := contiguousStrides(n.Type, n.Ne)
	return b.move(OpReshape, x, n.Ne, nb, 0)
}

// Own is x in contiguous memory that the graph computes: a copy of a leaf.
func (b Builder) Own(x ID) ID {
	if x = b.Cont(x); b.Node(x).Kind != Computed {
		return b.Scale(x, 1, 0)
	}
	return x
}

// Cast is x in another type.
func (b Builder) Cast(x ID, t Type) ID {
	if b.Node(x).Type == t {
		return b.Cont(x)
	}
	n := shaped(OpCpy, t, b.Node(x).Ne, x)
	n.Src[1] = Self
	return b.push(n)
}

// Store copies x to the live tensor dst, a leaf of the same shape.
func (b Builder) Store(x, dst ID) ID {
	d := b.Node(dst)
	if !b.Node(x).SameShape(d) {
		panic(fmt.Sprintf("graph: CPY of %v to %v", b.Node(x).Ne, d.Ne))
	}
	n := Node{Op: OpCpy, Type: d.Type, Ne: d.Ne, Nb: d.Nb, ViewSrc: b.Root(dst), ViewOffs: b.offset(dst), Name: d.Name}
	for i := range n.Src {
		n.Src[i] = None
	}
	n.Src[0], n.Src[1] = x, dst
	return b.push(n)
}

// offset is the distance of id from the start of its root, in bytes.
func (b Builder) offset(id ID) uint64 {
	if b.Nodes[id].ViewSrc < 0 {
		return 0
	}
	return b.Nodes[id].ViewOffs
}

func (b Builder) move(op Op, x ID, ne [4]int64, nb [4]uint64, offset uint64) ID {
	src := b.Node(x)
	n := Node{Op: op, Type: src.Type, Ne: ne, Nb: nb, ViewSrc: b.Root(x), ViewOffs: b.offset(x) + offset}
	for i := range n.Src {
		n.Src[i] = None
	}
	n.Src[0] = x
	return b.push(n)
}

// View is the part of x with the given shape and strides, offset bytes in.
func (b Builder) View(x ID, ne [4]int64, nb [4]uint64, offset uint64) ID {
	id := b.move(OpView, x, ne, nb, offset)
	b.Nodes[id].Params[0] = int32(uint32(offset))
	b.Nodes[id].Params[1] = int32(uint32(offset >> 32))
	return id
}

// Reshape is x, made contiguous, with other dimensions.
func (b Builder) Reshape(x ID, ne [4]int64) ID {
	x = b.Cont(x)
	n := b.Node(x)
	if n.Ne == ne {
		return x
	}
	if n.Elements() != ne[0]*ne[1]*ne[2]*ne[3] {
		panic(fmt.Sprintf("graph: RESHAPE of %v to %v", n.Ne, ne))
	}
	nb, ok := contiguousStrides(n.Type, ne)
	if !ok {
		panic("graph: RESHAPE of a quantised tensor")
	}
	return b.move(OpReshape, x, ne, nb, 0)
}

// Permute moves dimension i of x to dimension axes[i].
func (b Builder) Permute(x ID, axes [4]int) ID {
	src := b.Node(x)
	var ne [4]int64
	var nb [4]uint64
	for i, a := range axes {
		ne[a], nb[a] = src.Ne[i], src.Nb[i]
	}
	id := b.move(OpPermute, x, ne, nb, 0)
	for i, a := range axes {
		b.Nodes[id].Params[i] = int32(a)
	}
	return id
}

// Transpose exchanges the first two dimensions of x.
func (b Builder) Transpose(x ID) ID {
	src := b.Node(x)
	ne, nb := src.Ne, src.Nb
	ne[0], ne[1] = ne[1], ne[0]
	nb[0], nb[1] = nb[1], nb[0]
	return b.move(OpTranspose, x, ne, nb, 0)
}

// transposed is Transpose in contiguous memory.
func (b Builder) transposed(x ID) ID { return b.Cont(b.Transpose(x)) }

// Leaf appends a copy of a leaf of another graph.
func (b Builder) Leaf(n Node) ID {
	for i := range n.Src {
		n.Src[i] = None
	}
	n.ViewSrc, n.ViewOffs, n.Op = None, 0, OpNone
	return b.push(n)
}

// SetRows writes the rows x to the rows idx [n] (I64) of dst, in dst's memory.
func (b Builder) SetRows(dst, x, idx ID) ID {
	d, n, i := b.Node(dst), b.Node(x), b.Node(idx)
	if i.Type != I64 || n.Ne[0] != d.Ne[0] || n.Ne[1] != i.Ne[0] {
		panic(fmt.Sprintf("graph: SET_ROWS of %v in %v", n.Ne, d.Ne))
	}
	id := b.move(OpSetRows, dst, d.Ne, d.Nb, 0)
	b.Nodes[id].Src = [MaxSrc]ID{x, idx, dst, None, None, None, None, None, None, None}
	return id
}
