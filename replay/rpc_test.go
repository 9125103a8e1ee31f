package replay

import (
	"context"
	"testing"

	"retcon/graph"
	"retcon/internal/built"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// With the model behind an RPC server, whose buffers are no host memory, a
// decode is captured, replayed and differentiated as on the CPU.
func TestRPC(t *testing.T) {
	testmodel.StartRPC(t, built.Tool("bin/ggml-rpc-server"))
	// small ones: the server and this process share the cores
	for _, path := range fixtures(t, "llama-dense", "gemma3-dense") {
		m, c := openModel(t, path)
		rows := testRows(t, c, m.Info().Vocab)
		want := step(t, c, 0, rows, 0, graph.F32, false)
		rm, err := llama.LoadModel(context.Background(), path, llama.ModelParams{GPULayers: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer rm.Close()
		rc, err := rm.NewContext(llama.ContextParams{Cells: 256, Batch: 128, Sequences: 8})
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		for _, keep := range []bool{false, true} {
			rc.Clear()
			got := step(t, rc, 0, testRows(t, rc, m.Info().Vocab), 0, graph.F32, keep)
			sameLosses(t, "RPC", got.nll, want.nll, 1e-3)
			sameLosses(t, "RPC", got.kl, want.kl, 1e-3)
			if d := relative(got.grad, want.grad); d > 1e-3 {
				t.Errorf("RPC: the gradient is off by %g", d)
			} else {
				t.Logf("gradient off by %g", d)
			}
		}
	}
}
