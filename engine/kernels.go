package engine

import (
	"fmt"
	"slices"

	"retcon/gguf"
	"retcon/graph"
	"retcon/llama"
)

// noProduct are the types that ggml has no product with a matrix for, and noRows
// those that it takes no rows of: it calls a function that is not there, or ends
// the process, once the graph runs.
var (
	noProduct = []gguf.Type{gguf.I8, gguf.I16, gguf.I32, gguf.I64, gguf.F64, gguf.Q8_1, gguf.Q8_K}
	noRows    = []gguf.Type{gguf.I8, gguf.I16, gguf.I64, gguf.F64, gguf.Q8_1, gguf.Q8_K}
)

// checkKernels refuses a graph in which a weight has a type that its operator
// cannot take.
func checkKernels(g *graph.Graph) error {
	for i := range g.Nodes {
		n := &g.Nodes[i]
		bad := graph.None
		of := func(s graph.ID) gguf.Type { return gguf.Type(g.Node(s).Type) }
		switch a, b := n.Src[0], n.Src[1]; n.Op {
		case graph.OpMulMat, graph.OpMulMatID:
			if slices.Contains(noProduct, of(a)) {
				bad = a
			}
		case graph.OpGetRows:
			if slices.Contains(noRows, of(a)) {
				bad = a
			}
		case graph.OpAdd, graph.OpSub, graph.OpMul, graph.OpDiv:
			if of(b) != gguf.F32 && of(b) != of(a) {
				bad = b
			}
		}
		if bad != graph.None && g.Node(g.Root(bad)).Kind == graph.Weight {
			w := g.Node(g.Root(bad))
			return fmt.Errorf("%w: %s is of type %s, in which llama.cpp cannot use it (%s)", llama.ErrUnsupported, w.Name, gguf.Type(w.Type), n.Op)
		}
	}
	return nil
}
