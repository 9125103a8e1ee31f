package replay

import (
	"slices"
	"strings"

	"retcon/graph"
	"retcon/llama"
)

// Processor says in which types a processor multiplies fastest. The policies for
// weights follow from it.
type Processor struct {
	Small graph.Type // the fastest for its size
	Large graph.Type // the fastest where size hardly counts
	// Copies: a copy in them pays, of a quantised weight that the bridge's own
	// kernel does not take.
	Copies bool
}

// ThisProcessor is the one that ggml's kernels were built for.
func ThisProcessor() Processor { return ProcessorWith(strings.Fields(llama.SystemInfo())) }

// ProcessorWith is a processor of which ggml's kernels use these features, by
// ggml's names. With BF16 instructions products run several times faster in BF16
// than on quantised blocks; with AVX-512 alone twice as fast as on Q4_1, and F32 is
// the fastest type (docs/results.md). AVX2 alone was not measured.
func ProcessorWith(features []string) Processor {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(features, n) })
	}
	switch {
	case has("AVX512_BF16", "AMX_BF16", "AMX_INT8"):
		return Processor{Small: graph.BF16, Large: graph.BF16, Copies: true}
	case has("AVX512"):
		return Processor{Small: graph.BF16, Large: graph.F32, Copies: true}
	}
	return Processor{Small: graph.F32, Large: graph.F32}
}

// In is the policy of copies in one type for all that they can serve.
func (p Processor) In(t graph.Type) Policy {
	return Policy{Products: true, Gradients: true, Copy: t, Many: finer(p.Large, t), Life: ToTheEnd}
}

// Steps is the policy for many passes there and back over a slice of the network:
// an edit's. Where copies do not pay, the transposes of weights still do.
func (p Processor) Steps() Policy {
	out := p.In(p.Small)
	out.Products, out.Life = p.Copies, ForSlice
	return out
}

// Pass is the policy for one program, run over many rows: a covariance's.
func (p Processor) Pass() Policy {
	if !p.Copies {
		return Policy{}
	}
	return Policy{Products: true, Copy: p.Large, Many: p.Large, Life: ForProgram}
}

// Layers is the policy for many runs that go through the layers together, so that
// a layer's copies can be dropped before the next layer's are made: an exact
// trace's. Where all fit they are kept ToTheEnd.
func (p Processor) Layers() Policy {
	if !p.Copies {
		return Policy{}
	}
	return Policy{Products: true, Copy: p.Large, Many: p.Large, Life: ForLayer}
}

// ThereAndBack is the policy for runs that go through all layers and come back to
// each for its gradient: an estimate's.
func (p Processor) ThereAndBack() Policy {
	if !p.Copies {
		return Policy{}
	}
	return p.In(p.Small)
}

// finer is the type that rounds less.
func finer(a, b graph.Type) graph.Type {
	if b.Digits() > a.Digits() {
		return b
	}
	return a
}
