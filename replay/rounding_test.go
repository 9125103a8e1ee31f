package replay

import (
	"math"
	"testing"

	"retcon/graph"
)

// Two ways to compute the same thing differ by rounding alone. How far they may
// be apart follows from the types that values pass through, and is computed here
// from these; a bound that was read off one processor fails on the next.

// unit is by how much of a value rounding to a type moves it at most.
func unit(t graph.Type) float64 { return math.Exp2(-float64(t.Digits())) }

// deviations are how many of them two computations may be apart.
const deviations = 4

// inF32 is the deviation of two computations of a graph in F32 that sum in other
// orders, as a part of what they compute. A sum of n terms is off by about √n
// units, and errors of products one after the other add up as random numbers do.
// There and back the products are twice as many.
func inF32(g *graph.Graph, passes int) float64 {
	products, terms := longestChain(g)
	return math.Sqrt(float64(passes*products)*float64(terms)) * unit(graph.F32)
}

// roundedTo is the deviation after so many roundings to a coarser type, of values
// that deviate by a part e before. Of these a part e/unit is rounded to different
// sides, and each of them then differs by two units: 2 √(e unit) as deviations go.
// So a rounding to 8 bits turns the last bits of two orders of sums into the fourth
// digit.
func roundedTo(t graph.Type, e float64, roundings int) float64 {
	return max(e, 2*math.Sqrt(float64(roundings)*e*unit(t)))
}

// longestChain counts the products with weights of the longest way through a graph,
// and the terms of the longest sum among them.
func longestChain(g *graph.Graph) (products int, terms int64) {
	depth := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, s := range n.Src {
			if s >= 0 && int(s) != i {
				depth[i] = max(depth[i], depth[s])
			}
		}
		if n.Kind == graph.Computed && n.Op == graph.OpMulMat {
			depth[i]++
			if w := g.Node(n.Src[0]); w.Kind == graph.Weight {
				terms = max(terms, w.Ne[0])
			}
		}
		products = max(products, depth[i])
	}
	return products, terms
}

// halves is the number of activations that ggml looks up in a table of F16 on the
// CPU.
func halves(g *graph.Graph) int {
	n := 0
	for i := range g.Nodes {
		switch g.Nodes[i].Op {
		case graph.OpGelu, graph.OpGeluQuick, graph.OpGeglu, graph.OpGegluQuick:
			n++
		}
	}
	return n
}

// sameUpTo holds losses, and the gradient, of one way to those of another. What is
// allowed is a part of the losses and of the gradient's length.
func sameUpTo(t *testing.T, what string, got, want stepResult) {
	t.Helper()
	allowed := func(passes int) float64 {
		e := inF32(want.graph, passes)
		if n := halves(want.graph); n > 0 {
			e = roundedTo(graph.F16, e, passes*n)
		}
		return deviations * e
	}
	forward, back := allowed(1), allowed(2)
	worst := 0.0
	for i, w := range want.nll {
		d := math.Abs(got.nll[i]-w) / max(1, math.Abs(w))
		if worst = max(worst, d); !(d <= forward) {
			t.Errorf("%s: loss %d is %g, not %g: off by %g of it, rounding is %g", what, i, got.nll[i], w, d, forward)
		}
	}
	d := relative(got.grad, want.grad)
	if !(d <= back) {
		t.Errorf("%s: the gradient is off by %g, rounding is %g", what, d, back)
	}
	t.Logf("%s: losses are off by %.2g of at most %.2g, the gradient by %.2g of %.2g", what, worst, forward, d, back)
}
