package trace

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"retcon/gguf"
	"retcon/llama"
)

// Level is how much noise is added to an embedding: an absolute standard
// deviation, or a multiple of the embeddings' own.
type Level struct {
	Value    float64
	Relative bool
}

// ParseLevel reads "3s", three standard deviations of the embeddings, or an
// absolute figure such as "0.1".
func ParseLevel(s string) (Level, error) {
	number, relative := strings.CutSuffix(s, "s")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return Level{}, fmt.Errorf("%w: noise %q: give a figure such as 0.1, or 3s for three standard deviations of the embeddings", ErrPrompt, s)
	}
	return Level{v, relative}, nil
}

// EmbeddingDeviation is the standard deviation of all elements of the token
// embeddings in the model at path.
func EmbeddingDeviation(ctx context.Context, path string) (float64, error) {
	const name = "token_embd.weight"
	f, err := gguf.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	t, ok := f.Tensor(name)
	if !ok {
		return 0, fmt.Errorf("%w: the model has no %s", llama.ErrUnsupported, name)
	}
	r, err := f.TensorReader(name)
	if err != nil {
		return 0, err
	}
	rowBytes, err := t.Type.RowBytes(t.RowLength())
	if err != nil {
		return 0, err
	}
	const block = 256 // rows at a time
	data := make([]byte, block*rowBytes)
	values := make([]float32, block*t.RowLength())
	var sum, squares float64
	for row := int64(0); row < t.Rows(); row += block {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := min(block, t.Rows()-row)
		if _, err := r.ReadAt(data[:n*rowBytes], row*rowBytes); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		v := values[:n*t.RowLength()]
		if err := llama.Dequantize(v, int(t.Type), data[:n*rowBytes]); err != nil {
			return 0, err
		}
		for _, x := range v {
			sum += float64(x)
			squares += float64(x) * float64(x)
		}
	}
	count := float64(t.Elements())
	mean := sum / count
	return math.Sqrt(squares/count - mean*mean), nil
}

// GaussianNoise draws samples of noise for an embedding of so many tokens.
func GaussianNoise(seed uint64, samples, tokens, width int, level float64) [][]float32 {
	rng := rand.New(rand.NewPCG(seed, 0x6e6f697365))
	out := make([][]float32, samples)
	for i := range out {
		out[i] = make([]float32, tokens*width)
		for j := range out[i] {
			out[i][j] = float32(rng.NormFloat64() * level)
		}
	}
	return out
}
