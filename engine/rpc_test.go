package engine_test

import (
	"context"
	"math"
	"testing"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/engine"
	"retcon/fact"
	"retcon/internal/built"
	"retcon/internal/testfile"
	"retcon/internal/testmodel"
)

// One whole edit with the model behind llama.cpp's RPC server, whose buffers
// are no host memory, is the edit on the CPU within float tolerance. Products
// with this model's quantised weights round activations to 8 bits, so another
// order of sums can move a value by that much: hence the F32 twin.
func TestEditOverRPC(t *testing.T) {
	if testing.Short() {
		t.Skip("short: two edits, one of them through a server")
	}
	path := testfile.DemoF32(t)
	onCPU := shortEdit(t, path, engine.Options{CPUOnly: true})
	testmodel.StartRPC(t, built.Tool("bin/ggml-rpc-server"))
	overRPC := shortEdit(t, path, engine.Options{Threads: 1, GPULayers: -1})
	if math.Abs(onCPU.After.LogProb-overRPC.After.LogProb) > 0.01 {
		t.Errorf("log-probability %g on the CPU, %g over RPC", onCPU.After.LogProb, overRPC.After.LogProb)
	}
	want, got := onCPU.Computed().Change.(*rome.Rank), overRPC.Computed().Change.(*rome.Rank)
	near(t, "left", got.Left, want.Left, 1e-3)
	near(t, "right", got.Right, want.Right, 1e-2)
}

// shortEdit edits with few prefixes and steps and without a covariance.
func shortEdit(t *testing.T, path string, opts engine.Options) *edit.Edit {
	t.Helper()
	h := rome.DefaultHParams()
	h.Steps = 4
	h.Covariance = covariance.KindIdentity
	h.Prefixes = []string{"In short. ", "They say. "}
	r, err := edit.Run(context.Background(), edit.Config{
		Model: path, Open: engine.Opener(opts), Quantizer: engine.Quantizer{}, Method: rome.Method{HParams: h}, Force: true,
		Requests: []fact.Request{{Prompt: "{} is located in the city of", Subject: "The Eiffel Tower", TargetNew: "Rome"}},
		Text:     "The ferry leaves at nine and comes back before dark. Bread is made of flour, water and salt.",
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Edits[0]
}
