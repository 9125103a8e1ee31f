package graph

import "fmt"

// blockElements bounds the part of a weight that is transposed at a time where
// no transpose is kept: 4 Mi elements, 16 MB as F32.
const blockElements = 4 << 20

// Where few rows meet a weight that has no kept transpose, OUT_PROD adds its rows
// up as they lie: transposing them, an element at a time from as many places,
// takes longer than the product. Of 49 rows that is 2 to 3 times as fast (Q4_K on
// AVX-512, docs/results.md). More rows share a transpose; from how many on it
// pays was not measured. The blocks should stay in a core's cache.
const (
	fewRows     = 128
	sumElements = 1 << 20
)

// fewTerms is how many terms a sum may have for OUT_PROD to be the faster
// kernel: a product of long sums is many times faster by MUL_MAT, even where its
// operands must be transposed first.
const fewTerms = 32

// reverseMulMat: y [m, n] = aᵀ b for a [k, m], b [k, n].
func reverseMulMat(b *gradient, _ ID, n Node, g ID) error {
	x, y := n.Src[0], n.Src[1]
	g = b.Cont(g)
	if b.wants(y) {
		dy, err := b.reverseRight(x, g)
		if err != nil {
			return err
		}
		b.accumulate(y, dy)
	}
	if b.wants(x) {
		if b.Node(x).Ne[3] != b.Node(y).Ne[3] {
			return fmt.Errorf("%w: no reverse rule for MUL_MAT over streams that repeat (node %q)", ErrGraph, n.Name)
		}
		b.accumulate(x, b.reverseLeft(x, y, g))
	}
	return nil
}

// reverseRight is a g, the gradient of b: a product with the transpose of a.
func (b *gradient) reverseRight(x, g ID) (ID, error) {
	n := b.Node(x)
	leaf := b.Nodes[b.Root(x)].Kind
	if leaf != Weight {
		if n.Type == F32 && n.Ne[1] <= fewTerms {
			return b.OutProd(x, b.Transpose(g)), nil
		}
		return b.MulMat(b.transposed(b.castF32(x)), g), nil
	}
	if n.Kind == Weight && b.transposes != nil {
		switch t := b.transposes(b.Builder, x); {
		case t == x:
			return b.OutProd(x, b.Transpose(g)), nil
		case t >= 0:
			return b.MulMat(t, g), nil
		}
	}
	if n.Ne[2] != 1 || n.Ne[3] != 1 {
		if n.Type.Size() == 0 {
			return None, fmt.Errorf("%w: no reverse rule for MUL_MAT with the quantised weight %q of shape %v", ErrGraph, n.Name, n.Ne)
		}
		return b.MulMat(b.transposed(b.castF32(x)), g), nil
	}
	return b.reverseBlocks(x, g), nil
}

// castF32 is x as F32: the CPU would round g to the type of a weight.
func (b *gradient) castF32(x ID) ID {
	if b.Node(x).Type == F32 {
		return x
	}
	return b.Cast(x, F32)
}

// reverseBlocks is W g for a weight W [k, m] a block of rows at a time, so that
// no whole copy of a large weight is made.
func (b *gradient) reverseBlocks(w, g ID) ID {
	n, gn := b.Node(w), *b.Node(g)
	k, m := n.Ne[0], n.Ne[1]
	few := gn.Ne[1] <= fewRows && gn.Ne[2] == 1 && gn.Ne[3] == 1
	most := int64(blockElements)
	if few {
		most = sumElements
	}
	rows := min(m, max(1, most/k))
	sum := None
	for r := int64(0); r < m; r += rows {
		count := min(rows, m-r)
		block := b.WeightRows(w, r, count, b.constant) // [k, count]
		part := g
		if count < m {
			part = b.View(g, [4]int64{count, gn.Ne[1], gn.Ne[2], gn.Ne[3]}, gn.Nb, uint64(r)*4)
		}
		var p ID
		if few {
			p = b.OutProd(block, b.Transpose(part))
		} else {
			p = b.MulMat(b.transposed(block), b.Cont(part))
		}
		if sum < 0 {
			sum = p
		} else {
			sum = b.Add(sum, p)
		}
	}
	return sum
}

// WeightRows is rows [r, r+count) of the weight w as F32. A packed type is
// read by GET_ROWS, the dequantiser that every backend has, with an index from
// constant.
func (b Builder) WeightRows(w ID, r, count int64, constant func([]int32, string) ID) ID {
	n := *b.Node(w)
	if n.Type == F32 {
		return b.View(w, Shape2(n.Ne[0], count), n.Nb, uint64(r)*n.Nb[1])
	}
	idx := make([]int32, count)
	for i := range idx {
		idx[i] = int32(r) + int32(i)
	}
	return b.GetRows(w, constant(idx, "rows of "+n.Name))
}

// reverseLeft is the gradient of an activation on the left (K or V), where
// neighbouring heads of b may share one of a: their sum falls inside the
// contraction.
func (b *gradient) reverseLeft(x, y, g ID) ID {
	nx, ny, ng := *b.Node(x), *b.Node(y), *b.Node(g)
	share := ny.Ne[2] / nx.Ne[2]
	rows := ny.Ne[1] * share
	y = b.Reshape(y, [4]int64{ny.Ne[0], rows, nx.Ne[2], ny.Ne[3]})
	g = b.Reshape(g, [4]int64{ng.Ne[0], rows, nx.Ne[2], ng.Ne[3]})
	if rows <= fewTerms {
		return b.OutProd(y, g)
	}
	return b.MulMat(b.transposed(y), b.transposed(g))
}

// reverseOutProd: y [m, n] = a bᵀ for a [m, k], b [n, k].
func reverseOutProd(b *gradient, _ ID, n Node, g ID) error {
	x, y := n.Src[0], n.Src[1]
	g = b.Cont(g)
	if b.wants(y) {
		b.accumulate(y, b.Transpose(b.MulMat(x, g)))
	}
	if b.wants(x) {
		if nx, ny := b.Node(x), b.Node(y); nx.Ne[2] != ny.Ne[2] || nx.Ne[3] != ny.Ne[3] {
			return fmt.Errorf("%w: no reverse rule for OUT_PROD over heads that repeat (node %q)", ErrGraph, n.Name)
		}
		b.accumulate(x, b.OutProd(g, b.Transpose(y)))
	}
	return nil
}
