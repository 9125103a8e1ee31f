package gguf_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"

	"retcon/gguf"
)

// adapter is a small file, made from nothing and read back.
func adapter() *gguf.File {
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Set("adapter.lora.alpha", gguf.ValueOf(float32(1)))
	b.Add(gguf.Tensor{
		Name: "blk.5.ffn_down.weight.lora_a",
		Type: gguf.F32,
		Dims: []int64{3, 1}, // one row of three
		Data: gguf.Float32s([]float32{0.5, -1, 2}),
	})
	return reread(b)
}

// reread writes a file to memory and reads it.
func reread(from io.WriterTo) *gguf.File {
	var file bytes.Buffer
	if _, err := from.WriteTo(&file); err != nil {
		log.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	return f
}

// An adapter of one tensor is made from nothing.
func ExampleBuilder() {
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Add(gguf.Tensor{
		Name: "blk.5.ffn_down.weight.lora_a",
		Type: gguf.F32,
		Dims: []int64{3, 1}, // one row of three
		Data: gguf.Float32s([]float32{0.5, -1, 2}),
	})
	var file bytes.Buffer
	n, err := b.WriteTo(&file)
	fmt.Println(n, err)
	// Output:
	// 192 <nil>
}

// A file lists keys and tensors; data is read when asked for. [Open] takes the
// path of a model instead.
func ExampleRead() {
	f := adapter()
	defer f.Close()
	for _, kv := range f.KV {
		fmt.Println(kv.Key, "=", kv.Value)
	}
	for _, t := range f.Tensors {
		data, err := f.ReadTensor(t.Name, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %v %s: % x\n", t.Name, t.Type, t.Shape(), data)
	}
	// Output:
	// general.type = "adapter"
	// adapter.lora.alpha = 1
	// blk.5.ffn_down.weight.lora_a F32 3x1: 00 00 00 3f 00 00 80 bf 00 00 00 40
}

// A key is changed and a tensor gets other data; all else keeps its bytes.
func ExampleRewrite() {
	f := adapter()
	defer f.Close()
	out, err := gguf.Rewrite(f, gguf.Edits{
		Set: []gguf.KeyValue{{Key: "adapter.lora.alpha", Value: gguf.ValueOf(float32(2))}},
		Replace: []gguf.Tensor{{
			Name: "blk.5.ffn_down.weight.lora_a",
			Type: gguf.F32,
			Data: gguf.Float32s([]float32{0.5, -1, 3}),
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	d, err := gguf.Diff(context.Background(), f, reread(out), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, k := range d.KeysChanged {
		fmt.Println(k.Key, "from", k.Old, "to", k.New)
	}
	for _, t := range d.TensorsChanged {
		fmt.Println(t.New.Name, "in", t.Bytes, "byte")
	}
	// Output:
	// adapter.lora.alpha from 1 to 2
	// blk.5.ffn_down.weight.lora_a in 1 byte
}
