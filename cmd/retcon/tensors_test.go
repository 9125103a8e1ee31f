package main

import (
	"bytes"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"retcon/gguf"
	"retcon/llama"
)

// sametensors A B fails where file B's tensors are not those of A: names and
// shapes, the bytes of those that have A's type, the values of those that have
// another.
func sametensors(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sametensors A B")
	}
	var files [2]*gguf.File
	for i, name := range args {
		var err error
		files[i], err = gguf.Open(ts.MkAbs(name))
		ts.Check(err)
		defer files[i].Close()
	}
	a, b := files[0].Tensors, files[1].Tensors
	same := len(a) == len(b)
	if !same && !neg {
		ts.Fatalf("%d tensors, then %d", len(a), len(b))
	}
	for _, was := range a {
		is, ok := files[1].Tensor(was.Name)
		equal := ok && slices.Equal(was.Dims, is.Dims) && equalTensor(ts, files, was, is)
		if !equal && !neg {
			ts.Fatalf("%s differs", was.Name)
		}
		same = same && equal
	}
	if neg && same {
		ts.Fatalf("the tensors of %s and %s are the same", args[0], args[1])
	}
}

func equalTensor(ts *testscript.TestScript, files [2]*gguf.File, was, is gguf.TensorInfo) bool {
	x, err := files[0].ReadTensor(was.Name, nil)
	ts.Check(err)
	y, err := files[1].ReadTensor(is.Name, nil)
	ts.Check(err)
	if was.Type == is.Type {
		return bytes.Equal(x, y)
	}
	ts.Logf("%s was %v and is %v", was.Name, was.Type, is.Type)
	v, w := make([]float32, was.Elements()), make([]float32, is.Elements())
	ts.Check(llama.Dequantize(v, int(was.Type), x))
	ts.Check(llama.Dequantize(w, int(is.Type), y))
	return slices.Equal(v, w)
}
