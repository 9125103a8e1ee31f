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
