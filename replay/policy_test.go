package replay

import (
	"fmt"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/llama"
)

// machine is a processor, and what the bridge's own kernel takes on it.
type machine struct {
	name string
	Processor
	own []graph.Type
}

func machines() []machine {
	avx512 := ProcessorWith([]string{"AVX2", "AVX512", "AVX512_VNNI"})
	bf16 := ProcessorWith([]string{"AVX2", "AVX512", "AVX512_BF16"})
	plain := []graph.Type{graph.F32, graph.F16, graph.BF16}
	return []machine{
		{"AVX2", ProcessorWith([]string{"AVX2"}), nil},
		{"AVX-512", avx512, append(plain, graph.Type(gguf.Q4_1), graph.Type(gguf.Q6_K))},
		{"AVX-512, ggml's kernels alone", avx512, nil},
		{"AVX-512 with BF16", bf16, []graph.Type{graph.F32}},
		{"AVX-512 with BF16, ggml's kernels alone", bf16, nil},
	}
}

// policies are those of all work that is done, by name.
func (m machine) policies() map[string]Policy {
	out := map[string]Policy{
		"as in the file": {}, "an edit's steps": m.Steps(), "one pass": m.Pass(), "an exact trace": m.Layers(),
		"an estimate": m.ThereAndBack(), "an estimate, then exact cells": m.In(m.Large),
		"transposes alone": {Gradients: true, Copy: graph.F32},
	}
	for name, p := range out {
		p.Own = m.own
		out[name] = p
	}
	return out
}

// Whatever the processor and the work, a policy keeps to these rules. The test
// prints what each does with each type of weight.
func TestPolicies(t *testing.T) {
	types := []graph.Type{graph.F32, graph.F16, graph.BF16, graph.Type(gguf.Q4_1), graph.Type(gguf.MXFP4)}
	for _, m := range machines() {
		for name, p := range m.policies() {
			t.Run(m.name+", "+name, func(t *testing.T) {
				lines := []string{p.String()}
				for _, typ := range types {
					u := p.Use(typ)
					lines = append(lines, fmt.Sprintf("  %-6s few rows: %v; many: %v; gradient: %v", llama.TypeName(int(typ)), u.Product, u.Many, u.Gradient))
					checkUse(t, p, typ, u)
				}
				t.Log(strings.Join(lines, "\n"))
				if p.Products && p.Many.Digits() < p.Copy.Digits() {
					t.Errorf("programs of many rows round more than copies do")
				}
				if (p.Products || p.Gradients) && p.Copy.Digits() == 0 {
					t.Errorf("copies in type %d", p.Copy)
				}
			})
		}
	}
}

func checkUse(t *testing.T, p Policy, typ graph.Type, u Use) {
	t.Helper()
	quantised, own := typ.Size() == 0, p.takes(typ)
	never := func(wrong bool, what string) {
		if wrong {
			t.Errorf("type %s: %s", llama.TypeName(int(typ)), what)
		}
	}
	never(!quantised && (u.Product != AsIs || u.Many != AsIs), "a plain weight is copied for products")
	never(!p.Products && (u.Product != AsIs || u.Many != AsIs), "weights are copied that are to be used as they are")
	never(p.Products && own && u != Use{}, "the bridge's kernel takes it, and it is not used as it is")
	never(u.Gradient == Copied && (u.Product != Copied || !p.takes(p.Copy)), "a copy serves a gradient that ggml would have to transpose, or that products do not use")
	never(u.Gradient == AsIs && !(p.Products && own), "the weight itself serves a gradient, and ggml would have to transpose it")
	never(p.Gradients && u.Gradient == OnTheWay, "there are no transposes for gradients")
	never(!p.Gradients && (u.Gradient == InTranspose || u.Gradient == Copied), "there is something for gradients that nobody asked for")
}
