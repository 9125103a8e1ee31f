package engine_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"retcon/engine"
	"retcon/gguf"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// A number that kernels would assert on is an error that names it.
func TestHostileNumbers(t *testing.T) {
	const key = "llama.attention.layer_norm_rms_epsilon"
	for _, x := range []float64{-1e-5, math.NaN(), math.Inf(1)} {
		path := filepath.Join(t.TempDir(), "tiny.gguf")
		if err := testmodel.Small(gguf.F32).Write(path); err != nil {
			t.Fatal(err)
		}
		if err := testmodel.SetKey(path, key, gguf.ValueOf(float32(x))); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Open(context.Background(), path, engine.Options{CPUOnly: true}); !errors.Is(err, llama.ErrLoad) || !strings.Contains(err.Error(), key) {
			t.Errorf("%g: %v", x, err)
		}
	}
}

// A weight of a type that its operator has no kernel for is named, but for the
// first, which a sketch stops at.
func TestHostileTypes(t *testing.T) {
	for name, typ := range map[string]gguf.Type{"blk.0.ffn_norm.weight": gguf.F16, "blk.1.ffn_down.weight": gguf.I32, "token_embd.weight": gguf.F64, "blk.0.attn_q.weight": gguf.Q8_1} {
		path := filepath.Join(t.TempDir(), "tiny.gguf")
		if err := testmodel.Small(gguf.F32).Write(path); err != nil {
			t.Fatal(err)
		}
		if err := testmodel.SetType(path, name, typ); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Open(context.Background(), path, engine.Options{CPUOnly: true, Threads: 3}); err == nil || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "cannot go on") {
			t.Errorf("%s as %v: %v", name, typ, err)
		}
	}
}

// A header that llama.cpp would end the process on is an error.
func TestHostileLayers(t *testing.T) {
	for _, layers := range []uint32{0, 513, 1 << 31} {
		path := filepath.Join(t.TempDir(), "tiny.gguf")
		if err := testmodel.Small(gguf.F32).Write(path); err != nil {
			t.Fatal(err)
		}
		if err := testmodel.SetKey(path, "llama.block_count", gguf.ValueOf(layers)); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Open(context.Background(), path, engine.Options{CPUOnly: true}); !errors.Is(err, llama.ErrLoad) {
			t.Errorf("%d layers: %v", layers, err)
		}
	}
}
