package graph

// rule appends the reverse part of node id = n with gradient g.
type rule func(b *gradient, id ID, n Node, g ID) error

// rules has the reverse rule of every operator that the slices of dense models
// contain, in operators that every backend has. y = op(a, b).
var rules map[Op]rule

func init() {
	rules = map[Op]rule{
		OpAdd:     reverseAdd,
		OpSub:     reverseSub,
		OpMul:     reverseMul,
		OpDiv:     reverseDiv,
		OpRepeat:  reverseRepeat,
		OpScale:   reverseScale,
		OpSumRows: reverseSumRows,

		OpSqr:       elementwise(func(b *gradient, n Node, _, g ID) ID { return b.Scale(b.Mul(g, n.Src[0]), 2, 0) }),
		OpClamp:     elementwise(clampRule),
		OpRelu:      elementwise(func(b *gradient, n Node, _, g ID) ID { return b.Mul(g, b.Unary(OpStep, n.Src[0])) }),
		OpSigmoid:   elementwise(func(b *gradient, _ Node, y, g ID) ID { return b.Mul(b.Mul(g, y), b.Scale(y, -1, 1)) }),
		OpTanh:      elementwise(func(b *gradient, _ Node, y, g ID) ID { return b.Mul(g, b.Scale(b.Sqr(y), -1, 1)) }),
		OpSilu:      elementwise(activationRule(silu)),
		OpGelu:      elementwise(activationRule(gelu)),
		OpGeluQuick: elementwise(activationRule(geluQuick)),
		OpGeluErf:   elementwise(activationRule(geluErf)),

		OpSwiglu:     gated(OpSilu, silu),
		OpGeglu:      gated(OpGelu, gelu),
		OpGegluErf:   gated(OpGeluErf, geluErf),
		OpGegluQuick: gated(OpGeluQuick, geluQuick),
		OpReglu:      gated(OpRelu, relu),

		OpRMSNorm: elementwise(rmsNormRule),
		OpNorm:    elementwise(normRule),
		OpSoftMax: elementwise(softMaxRule),
		OpRope:    reverseRope,
		OpMulMat:  reverseMulMat,
		OpOutProd: reverseOutProd,

		OpView:      reverseView,
		OpReshape:   reverseMove(func(b *gradient, n Node, g ID) ID { return b.Reshape(g, b.Node(n.Src[0]).Ne) }),
		OpPermute:   reverseMove(permuteRule),
		OpTranspose: reverseMove(func(b *gradient, n Node, g ID) ID { return b.Transpose(g) }),
		OpCont:      elementwise(copyRule),
		OpDup:       elementwise(copyRule),
		OpCpy:       elementwise(copyRule),
		OpConcat:    reverseConcat,
		OpPad:       reversePad,
		OpGetRows:   reverseGetRows,
	}
}

// elementwise wraps a rule that gives the gradient of src 0 only.
func elementwise(f func(b *gradient, n Node, y, g ID) ID) rule {
	return func(b *gradient, id ID, n Node, g ID) error {
		if b.wants(n.Src[0]) {
			b.accumulate(n.Src[0], f(b, n, id, g))
		}
		return nil
	}
}

func reverseAdd(b *gradient, _ ID, n Node, g ID) error {
	if b.wants(n.Src[0]) {
		b.accumulate(n.Src[0], g)
	}
	if b.wants(n.Src[1]) {
		b.accumulate(n.Src[1], b.reduce(g, b.Node(n.Src[1]).Ne))
	}
	return nil
}

func reverseSub(b *gradient, _ ID, n Node, g ID) error {
	if b.wants(n.Src[0]) {
		b.accumulate(n.Src[0], g)
	}
	if b.wants(n.Src[1]) {
		b.accumulate(n.Src[1], b.reduce(b.Scale(g, -1, 0), b.Node(n.Src[1]).Ne))
	}
	return nil
}

func reverseMul(b *gradient, _ ID, n Node, g ID) error {
	x, y := n.Src[0], n.Src[1]
	if b.wants(x) {
		b.accumulate(x, b.Mul(g, y))
	}
	if b.wants(y) {
		b.accumulate(y, b.reduce(b.Mul(g, x), b.Node(y).Ne))
	}
	return nil
}

func reverseDiv(b *gradient, id ID, n Node, g ID) error {
	x, y := n.Src[0], n.Src[1]
	if b.wants(x) {
		b.accumulate(x, b.Div(g, y))
	}
	if b.wants(y) {
		b.accumulate(y, b.reduce(b.Scale(b.Mul(g, b.Div(id, y)), -1, 0), b.Node(y).Ne))
	}
	return nil
}

func reverseRepeat(b *gradient, _ ID, n Node, g ID) error {
	if b.wants(n.Src[0]) {
		b.accumulate(n.Src[0], b.reduce(g, b.Node(n.Src[0]).Ne))
	}
	return nil
}

// y = s a + c: the bias has no part.
func reverseScale(b *gradient, _ ID, n Node, g ID) error {
	if b.wants(n.Src[0]) {
		b.accumulate(n.Src[0], b.Scale(g, n.param(0), 0))
	}
	return nil
}

func reverseSumRows(b *gradient, _ ID, n Node, g ID) error {
	if b.wants(n.Src[0]) {
		b.accumulate(n.Src[0], b.repeat(b.Cont(g), n.Src[0]))
	}
	return nil
}

// Written from y, so that it serves a clamp in place too.
func clampRule(b *gradient, n Node, y, g ID) ID {
	lo, hi := n.param(0), n.param(1)
	if lo > -maxFloat32 {
		g = b.Mul(g, b.Unary(OpStep, b.Scale(y, 1, -lo)))
	}
	if hi < maxFloat32 {
		g = b.Mul(g, b.Unary(OpStep, b.Scale(y, -1, hi)))
	}
	return g
}

// copyRule passes the rounding of a cast through.
func copyRule(b *gradient, n Node, _, g ID) ID { return b.Reshape(g, b.Node(n.Src[0]).Ne) }

// r = sqrt(mean(a²) + eps); da = (g - y mean(g y)) / r. The means are products,
// which kernels sum many times faster than MEAN does.
func rmsNormRule(b *gradient, n Node, y, g ID) ID {
	mean := float32(1 / float64(n.Ne[0]))
	r := b.Unary(OpSqrt, b.Scale(b.DotRows(n.Src[0], n.Src[0]), mean, n.param(0)))
	return b.Div(b.Sub(g, b.Mul(y, b.Scale(b.DotRows(g, y), mean, 0))), r)
}

// z = a - mean(a); r = sqrt(mean(z²) + eps); da = (g - y mean(g y) - mean(g)) / r.
func normRule(b *gradient, n Node, y, g ID) ID {
	a := b.Cont(n.Src[0])
	z := b.Sub(a, b.Mean(a))
	r := b.Unary(OpSqrt, b.Scale(b.Mean(b.Sqr(z)), 1, n.param(0)))
	return b.Div(b.Sub(b.Sub(g, b.Mul(y, b.Mean(b.Mul(g, y)))), b.Mean(g)), r)
}

// da = scale (g - Σ g y) y. Mask, ALiBi slopes and sinks need no term: y has them.
func softMaxRule(b *gradient, n Node, y, g ID) ID {
	return b.Scale(b.Mul(b.Sub(g, b.SumRows(b.Mul(g, y))), y), n.param(0), 0)
}

// The rotation by the opposite angle; every parameter of the forward counts.
func reverseRope(b *gradient, _ ID, n Node, g ID) error {
	if !b.wants(n.Src[0]) {
		return nil
	}
	back := shaped(OpRopeBack, F32, n.Ne, b.Cont(g), n.Src[1], n.Src[2])
	back.Params = n.Params
	b.accumulate(n.Src[0], b.push(back))
	return nil
}
