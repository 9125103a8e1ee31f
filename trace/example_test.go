package trace_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"retcon/gguf"
	"retcon/internal/testmodel"
	"retcon/llama"
	"retcon/report"
	"retcon/trace"
)

// A trace of a fact, drawn on the terminal.
func Example() {
	ctx := context.Background()
	m, err := llama.LoadModel(ctx, "model.gguf", llama.ModelParams{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	p, err := trace.NewPrompt(m, "The Space Needle is in the city of", "Space Needle")
	if err != nil {
		log.Fatal(err)
	}
	t := trace.New(m, trace.Options{})
	defer t.Close()
	r, err := t.Run(ctx, p, trace.Config{Sever: true, MLP: true})
	if err != nil {
		log.Fatal(err)
	}
	if err := report.WriteTerminal(os.Stdout, r, report.Detect(os.Stdout)); err != nil {
		log.Fatal(err)
	}
}

// The zero Config, on a model of random weights that has no vocabulary: its
// prompt is tokens.
func ExampleTracer_Run() {
	dir, err := os.MkdirTemp("", "trace")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny.gguf")
	if err := testmodel.Small(gguf.F32).Write(path); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	m, err := llama.LoadModel(ctx, path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	t := trace.New(m, trace.Options{})
	defer t.Close()
	r, err := t.Run(ctx, trace.Prompt{Tokens: []int32{3, 99, 41, 7}, Begin: 1, End: 3}, trace.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d tokens, %d layers, windows of %d, %d samples\n", len(r.MLP), len(r.MLP[0]), r.Window, r.Samples)
	fmt.Println("restoring the last token's state after the last layer restores the answer:", r.Hidden[3][1] == r.PClean)
	fmt.Println("restoring a token before the subject changes nothing:", r.MLP[0][0] == r.PCorrupted)
	// Output:
	// 4 tokens, 2 layers, windows of 10, 10 samples
	// restoring the last token's state after the last layer restores the answer: true
	// restoring a token before the subject changes nothing: true
}
