package gguf_test

import (
	"bytes"
	"fmt"
	"log"

	"retcon/gguf"
)

// An adapter is made from nothing, then read, and edited.
func Example() {
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Set("adapter.type", gguf.ValueOf("lora"))
	b.Set("adapter.lora.alpha", gguf.ValueOf(float32(1)))
	b.Add(gguf.Tensor{
		Name: "blk.5.ffn_down.weight.lora_a",
		Type: gguf.F32,
		Dims: []int64{3, 1}, // one row of three
		Data: gguf.Float32s([]float32{0.5, -1, 2}),
	})
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		log.Fatal(err)
	}

	f, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, t := range f.Tensors {
		fmt.Println(t.Name, t.Type, t.Shape(), t.Size, "bytes")
	}

	out, err := gguf.Rewrite(f, gguf.Edits{
		Set:    []gguf.KeyValue{{Key: "adapter.lora.alpha", Value: gguf.ValueOf(float32(2))}},
		Delete: []string{"general.type"},
	})
	if err != nil {
		log.Fatal(err)
	}
	var edited bytes.Buffer
	if _, err := out.WriteTo(&edited); err != nil {
		log.Fatal(err)
	}
	g, err := gguf.Read(bytes.NewReader(edited.Bytes()), out.Size())
	if err != nil {
		log.Fatal(err)
	}
	for _, kv := range g.KV {
		fmt.Println(kv.Key, "=", kv.Value)
	}
	// Output:
	// blk.5.ffn_down.weight.lora_a F32 3x1 12 bytes
	// adapter.type = "lora"
	// adapter.lora.alpha = 2
}
