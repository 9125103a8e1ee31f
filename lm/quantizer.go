package lm

import "retcon/gguf"

// Quantizer converts rows between F32 and ggml's types.
type Quantizer interface {
	// Dequantize writes the values of src, whole rows of type t, to dst.
	Dequantize(dst []float32, t gguf.Type, src []byte) error
	// Quantize writes rows of rowLen values as type t. importance
	// [rowLen] may be nil where the type does not require it.
	Quantize(dst []byte, t gguf.Type, src []float32, rowLen int, importance []float32) error
	// NeedsImportance reports whether t cannot be written without importance.
	NeedsImportance(t gguf.Type) bool
}
