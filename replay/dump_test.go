package replay_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"retcon/llama"
)

func TestDump(t *testing.T) {
	m, err := llama.LoadModel(context.Background(), os.Getenv("F"), llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, _ := m.NewContext(llama.ContextParams{Cells: 64, Batch: 32, Sequences: 2, Threads: 2})
	defer c.Close()
	b := twoSequences(t, c, m.Info().Vocab)
	r, err := c.Record(context.Background(), &b, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Graph.Nodes {
		n := &r.Graph.Nodes[i]
		fmt.Printf("%d k%d %s %q ne%v src%v view%d+%d\n", i, n.Kind, n.Op, n.Name, n.Ne, n.Src[:3], n.ViewSrc, n.ViewOffs)
	}
}
