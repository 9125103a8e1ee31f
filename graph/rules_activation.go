package graph

import "math"

const maxFloat32 = math.MaxFloat32

// derivative gives act'(a) for a contiguous a.
type derivative func(b *gradient, a ID) ID

func activationRule(d derivative) func(b *gradient, n Node, y, g ID) ID {
	return func(b *gradient, n Node, _, g ID) ID { return b.Mul(g, d(b, b.Cont(n.Src[0]))) }
}

func relu(b *gradient, a ID) ID { return b.Unary(OpStep, a) }

// swishOf is d/da of a s(k a) with the logistic s: s + k a s (1 - s).
func swishOf(b *gradient, a ID, k float32) ID {
	s := b.Unary(OpSigmoid, b.Scale(a, k, 0))
	return b.Add(s, b.Mul(b.Mul(b.Scale(a, k, 0), s), b.Scale(s, -1, 1)))
}

// silu is s + h (1 - s) of h = a s(a). The logistic s is taken as h / a, since
// kernels give SILU many times faster than SIGMOID; a is moved off 0 by less
// than counts.
func silu(b *gradient, a ID) ID {
	a = b.Scale(a, 1, 1e-20)
	h := b.Unary(OpSilu, a)
	s := b.Div(h, a)
	return b.Add(s, b.Mul(h, b.Scale(s, -1, 1)))
}

// GELU_QUICK is a s(1.702 a).
func geluQuick(b *gradient, a ID) ID { return swishOf(b, a, 1.702) }

// gelu is the tanh form, a s(2 k (a + c a³)): the derivative of the smooth
// function, which the CPU rounds to an F16 table in the forward.
func gelu(b *gradient, a ID) ID {
	const c = 0.044715
	k := math.Sqrt(2 / math.Pi)
	sq := b.Sqr(a)
	s := b.Unary(OpSigmoid, b.Mul(a, b.Scale(sq, float32(2*k*c), float32(2*k))))
	inner := b.Mul(a, b.Scale(sq, float32(6*k*c), float32(2*k)))
	return b.Add(s, b.Mul(b.Mul(inner, s), b.Scale(s, -1, 1)))
}

// geluErf is Φ(a) + a φ(a). No operator gives erf, but GELU_ERF(m)/m is Φ(m);
// m = |a| kept away from 0/0, and Φ of a negative a follows by symmetry.
func geluErf(b *gradient, a ID) ID {
	m := b.Clamp(b.Unary(OpAbs, a), 1e-6, math.MaxFloat32)
	half := b.Scale(b.Div(b.Unary(OpGeluErf, m), m), 1, -0.5)
	p := b.Scale(b.Mul(half, b.Unary(OpSgn, a)), 1, 0.5)
	density := b.Scale(b.Unary(OpExp, b.Scale(b.Sqr(a), -0.5, 0)), float32(1/math.Sqrt(2*math.Pi)), 0)
	return b.Add(p, b.Mul(a, density))
}

// gated is the rule of a gated unit y = act(a) b, with the two halves in two
// sources or in one.
func gated(act Op, d derivative) rule {
	return func(b *gradient, _ ID, n Node, g ID) error {
		if n.Src[1] >= 0 {
			b.gatedSplit(act, d, n, g)
			return nil
		}
		if b.wants(n.Src[0]) {
			b.gatedFused(act, d, n, g)
		}
		return nil
	}
}

func (b *gradient) gatedSplit(act Op, d derivative, n Node, g ID) {
	x, y := n.Src[0], n.Src[1]
	if b.wants(x) {
		b.accumulate(x, b.Mul(b.Mul(g, y), d(b, b.Cont(x))))
	}
	if b.wants(y) {
		b.accumulate(y, b.Mul(g, b.Unary(act, x)))
	}
}

func (b *gradient) gatedFused(act Op, d derivative, n Node, g ID) {
	src := b.Node(n.Src[0])
	half := src.Ne
	half[0] /= 2
	nb := src.Nb
	first := b.Cont(b.View(n.Src[0], half, nb, 0))
	second := b.Cont(b.View(n.Src[0], half, nb, uint64(half[0])*4))
	swapped := n.Params[1] != 0
	if swapped {
		first, second = second, first
	}
	dx := b.Mul(b.Mul(g, second), d(b, first))
	dy := b.Mul(g, b.Unary(act, first))
	if swapped {
		dx, dy = dy, dx
	}
	b.accumulate(n.Src[0], b.Concat(dx, dy, 0))
}
