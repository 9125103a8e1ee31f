package edit_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// An editor computes edits in memory and takes them back. The model here is a
// small one in plain Go; engine.Open opens a language model.
func ExampleEditor() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "small.gguf")
	if err := fakemodel.WriteFile(path, gguf.F32); err != nil {
		fmt.Println(err)
		return
	}
	m, err := fakemodel.Open(ctx, path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	editor, err := edit.NewEditor(ctx, m, edit.Config{
		Quantizer: fakemodel.Quantizer{},
		Method:    rome.Method{HParams: rome.HParams{Layers: []int{1}, Covariance: covariance.KindIdentity}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer editor.Close()

	request := fact.Request{Prompt: "The {} is in", Subject: "Eiffel Tower", TargetNew: "Rome"}
	before := probability(ctx, m, request)
	edited, err := editor.Compute(ctx, request, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	editor.Apply(edited)
	after := probability(ctx, m, request)
	editor.Apply()
	fmt.Println("likelier with the edit:", after > 10*before)
	fmt.Println("restored:", probability(ctx, m, request) == before)
	// Output:
	// likelier with the edit: true
	// restored: true
}

// probability is that of a request's target after its prompt.
func probability(ctx context.Context, m lm.Model, r fact.Request) float64 {
	f, err := r.Resolve()
	if err != nil {
		return math.NaN()
	}
	row, err := f.Row(m, nil, f.Text, f.New)
	if err != nil {
		return math.NaN()
	}
	logs, err := m.LogProbs(ctx, []lm.Scored{row})
	if err != nil {
		return math.NaN()
	}
	sum := 0.0
	for _, l := range logs[0] {
		sum += l
	}
	return math.Exp(sum)
}
