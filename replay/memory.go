package replay

import (
	"retcon/graph"
)

// ContextBytes is the memory that the decode's context takes beside programs:
// its KV cache, its rows of logits, and the buffer in which llama.cpp computes
// a batch such as this. The buffer is what ggml asks for when it lays out the
// recorded graph; llama.cpp lays out that of the largest batch it may be given.
func (d *Decode) ContextBytes() (int64, error) {
	p := d.Context.Params()
	n := int64(p.Outputs) * d.Graph.Node(d.Sites.Logits).Ne[0] * int64(graph.F32.Size())
	for i := range d.Graph.Nodes {
		if node := &d.Graph.Nodes[i]; node.Kind == graph.Cache && node.ViewSrc == graph.None {
			n += int64(node.Nb[3]) * node.Ne[3]
		}
	}
	s, err := graph.Cut(d.Graph, nil, []graph.ID{d.Sites.Logits})
	if err != nil {
		return 0, err
	}
	program, err := d.Context.NewProgram(&s.Graph, nil)
	if err != nil {
		return 0, err
	}
	defer program.Close()
	buffer, err := program.Measure()
	return n + buffer, err
}

// ContextBytes is the memory of the value's context; see [Decode.ContextBytes].
func (v *Value) ContextBytes() (int64, error) { return v.decode.ContextBytes() }
