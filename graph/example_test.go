package graph_test

import (
	"fmt"
	"log"

	"retcon/graph"
)

// network is a small feed-forward network as a decode would hand it over: two
// weights, and what is computed of a batch of two inputs of width 4.
func network() (g *graph.Graph, key, out graph.ID) {
	b := graph.Builder{Graph: &graph.Graph{}}
	weight := func(k, m int64, name string) graph.ID {
		row := uint64(4 * k) // bytes of a row of floats
		return b.Leaf(graph.Node{
			Kind: graph.Weight, Type: graph.F32, Name: name,
			Ne: graph.Shape2(k, m), Nb: [4]uint64{4, row, row * uint64(m), row * uint64(m)},
		})
	}
	x := b.Input(graph.F32, graph.Shape2(4, 2), "x")
	key = b.Unary(graph.OpSilu, b.MulMat(weight(4, 8, "up"), x))
	return b.Graph, key, b.MulMat(weight(8, 4, "down"), key)
}

func printNodes(g *graph.Graph) {
	for i := range g.Nodes {
		n := g.Node(graph.ID(i))
		fmt.Println(n.Op, n.Name, n.Ne[:2])
	}
}

// A table is built node by node; nothing is computed.
func ExampleBuilder() {
	g, _, _ := network()
	printNodes(g)
	// Output:
	// NONE x [4 2]
	// NONE up [4 8]
	// MUL_MAT  [8 2]
	// SILU  [8 2]
	// NONE down [8 4]
	// MUL_MAT  [4 2]
}

// Below the key only its product with a weight is left, and the key has become
// an input: the experiment that sets it need not run what is above.
func ExampleCut() {
	g, key, out := network()
	s, err := graph.Cut(g, []graph.ID{key}, []graph.ID{out})
	if err != nil {
		log.Fatal(err)
	}
	printNodes(&s.Graph)
	fmt.Println("inputs:", s.Values, "key:", s.To[key], "output:", s.To[out])
	// Output:
	// NONE  [8 2]
	// NONE down [8 4]
	// MUL_MAT  [4 2]
	// inputs: [0] key: 0 output: 2
}

// The gradient of a loss is more nodes of the same table, in operators that
// llama.cpp has. Here the loss is the sum of the outputs.
func ExampleGradient() {
	g, key, out := network()
	b := graph.Builder{Graph: g}
	ones := graph.Seed{Node: out, Gradient: b.Fill(out, 1)}
	forward := len(g.Nodes)
	r, err := graph.Gradient(g, []graph.Seed{ones}, []graph.ID{key}, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := forward; i < len(g.Nodes); i++ {
		n := g.Node(graph.ID(i))
		fmt.Println(n.Op, n.Ne[:2])
	}
	fmt.Println("of the key:", g.Node(r.Of[key]).Ne[:2])
	// Output:
	// VIEW [8 4]
	// TRANSPOSE [2 4]
	// OUT_PROD [8 2]
	// of the key: [8 2]
}
