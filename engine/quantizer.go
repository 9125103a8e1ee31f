package engine

import (
	"retcon/gguf"
	"retcon/llama"
)

// Quantizer converts rows with ggml's own code.
type Quantizer struct{}

// Dequantize writes the values of rows of type t to dst.
func (Quantizer) Dequantize(dst []float32, t gguf.Type, src []byte) error {
	return llama.Dequantize(dst, int(t), src)
}

// Quantize writes rows of rowLen values as type t.
func (Quantizer) Quantize(dst []byte, t gguf.Type, src []float32, rowLen int, importance []float32) error {
	return llama.Quantize(dst, int(t), src, rowLen, importance)
}

// NeedsImportance reports whether t cannot be written without importance.
func (Quantizer) NeedsImportance(t gguf.Type) bool { return llama.NeedsImportance(int(t)) }
