package replay

import (
	"slices"
	"strings"

	"retcon/graph"
	"retcon/llama"
)

// FastType is the type in which this machine multiplies fastest for its size,
// and whether that is worth a copy of a quantised weight that the bridge's own
// kernel does not take (llama.Context.OwnKernel). With BF16 instructions
// products run several times faster in it than on quantised blocks, with AVX-512
// alone twice as fast as on Q4_1 (docs/results.md). AVX2 alone was not measured.
func FastType() (t graph.Type, worth bool) {
	if has(bf16Features) || has(vectorFeatures) {
		return graph.BF16, true
	}
	return graph.F32, false
}

// LayerType is FastType for copies that are dropped layer by layer, so that
// their size hardly counts: without BF16 instructions F32 is the fastest.
func LayerType() (t graph.Type, worth bool) {
	if t, worth := FastType(); !worth || has(bf16Features) {
		return t, worth
	}
	return graph.F32, true
}

// ggml's names of what its kernels use on this machine.
var (
	bf16Features   = []string{"AVX512_BF16", "AMX_BF16", "AMX_INT8"}
	vectorFeatures = []string{"AVX512"}
)

func has(features []string) bool {
	own := strings.Fields(llama.SystemInfo())
	return slices.ContainsFunc(features, func(f string) bool { return slices.Contains(own, f) })
}
