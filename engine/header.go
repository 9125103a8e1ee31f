package engine

import (
	"fmt"
	"math"
	"strings"

	"retcon/gguf"
	"retcon/llama"
)

// maxLayers is llama.cpp's LLAMA_MAX_LAYERS, which it asserts on.
const maxLayers = 512

// firstShard checks what llama.cpp would end the process on, and gives the
// file that it wants to be given: the first of a split model.
func firstShard(path string) (string, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w %s: %w", llama.ErrLoad, path, err)
	}
	defer f.Close()
	if err := f.Expect(gguf.RoleModel); err != nil {
		return "", fmt.Errorf("%w %w", llama.ErrLoad, err)
	}
	arch, err := f.String("general.architecture")
	if err != nil {
		return "", fmt.Errorf("%w %s: %w", llama.ErrLoad, path, err)
	}
	n, err := f.Uint(arch + ".block_count")
	if err == nil && (n == 0 || n > maxLayers) {
		return "", fmt.Errorf("%w %s: it claims %d layers, llama.cpp takes 1 to %d", llama.ErrLoad, path, n, maxLayers)
	}
	if err := checkNumbers(f, arch); err != nil {
		return "", fmt.Errorf("%w %s: %w", llama.ErrLoad, path, err)
	}
	return f.Paths()[0], nil
}

// checkNumbers checks those of a model's numbers that kernels assert on: what is
// asserted while a graph is built is an error by itself (rc::caught in the bridge),
// what is asserted while it runs is the end of the process.
func checkNumbers(f *gguf.File, arch string) error {
	for _, kv := range f.KV {
		if !strings.HasPrefix(kv.Key, arch+".") || !strings.HasSuffix(kv.Key, "epsilon") {
			continue
		}
		if x, ok := kv.Value.Float(); ok && (!(x >= 0) || math.IsInf(x, 0)) {
			return fmt.Errorf("its %s is %g, which no norm can be computed with", kv.Key, x)
		}
	}
	return nil
}
