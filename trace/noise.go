package trace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Level is how much noise an embedding gets. The noise is Gaussian, or uniform
// between -1 and 1 (s.. and u.. of ROME's experiments/causal_trace.py), times
// Value; where Relative is set also times the embeddings' standard deviation.
type Level struct {
	Value    float64
	Relative bool
	Uniform  bool
}

// ParseLevel reads "3s", three standard deviations of the embeddings, or an
// absolute figure such as "0.1"; with a u in front, "u3s" or "u0.1", the noise
// is uniform.
func ParseLevel(s string) (Level, error) {
	number, uniform := strings.CutPrefix(s, "u")
	number, relative := strings.CutSuffix(number, "s")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return Level{}, fmt.Errorf("%w: noise %q: give a figure such as 0.1, or 3s for three standard deviations of the embeddings; u0.1 or u3s is uniform noise up to that", ErrPrompt, s)
	}
	return Level{v, relative, uniform}, nil
}

// Draw draws samples of noise for an embedding of so many tokens, [sample]
// [token x width]. The figure is the absolute level: the standard deviation of
// Gaussian noise, the bound of uniform noise.
func (l Level) Draw(seed uint64, samples, tokens, width int, figure float64) [][]float32 {
	if l.Uniform {
		return UniformNoise(seed, samples, tokens, width, figure)
	}
	return GaussianNoise(seed, samples, tokens, width, figure)
}

// GaussianNoise draws noise of a standard deviation.
func GaussianNoise(seed uint64, samples, tokens, width int, level float64) [][]float32 {
	rng := source(seed)
	return draw(samples, tokens*width, func() float64 { return rng.NormFloat64() * level })
}

// UniformNoise draws noise between -level and level.
func UniformNoise(seed uint64, samples, tokens, width int, level float64) [][]float32 {
	rng := source(seed)
	return draw(samples, tokens*width, func() float64 { return (2*rng.Float64() - 1) * level })
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6e6f697365)) }

func draw(samples, n int, next func() float64) [][]float32 {
	out := make([][]float32, samples)
	for i := range out {
		out[i] = make([]float32, n)
		for j := range out[i] {
			out[i][j] = float32(next())
		}
	}
	return out
}
