// Random writes a model of llama's shape with random weights, for measuring
// time and memory against size:
//
//	go run ./internal/testmodel/random -size 1.5B -tokenizer model.gguf -o random.gguf
package main

import (
	"flag"
	"fmt"
	"os"

	"retcon/internal/testmodel"
)

func main() {
	size := flag.String("size", "0.1B", "parameters: 0.1B, 0.5B, 1.5B or 8B")
	tokenizer := flag.String("tokenizer", "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf", "model whose tokenizer is taken")
	out := flag.String("o", "random.gguf", "file to write")
	flag.Parse()
	if err := write(*size, *tokenizer, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(size, tokenizer, out string) error {
	for _, m := range testmodel.Sizes() {
		if m.Name != size {
			continue
		}
		if err := m.Write(out, tokenizer); err != nil {
			return err
		}
		fmt.Printf("%s: %d parameters\n", out, m.Params())
		return nil
	}
	return fmt.Errorf("there is no size %q", size)
}
