package logits

import "math"

// Probability is the softmax of x at a token.
func Probability(x []float32, token int32) float64 {
	top, sum := total(x)
	return math.Exp(float64(x[token]-top)) / sum
}

// LogProbability is the natural logarithm of the softmax of x at a token.
func LogProbability(x []float32, token int32) float64 {
	top, sum := total(x)
	return float64(x[token]-top) - math.Log(sum)
}

// Softmax writes the softmax of x to dst.
func Softmax(dst, x []float32) {
	top := x[argmax(x)]
	sum := 0.0
	for i, v := range x {
		dst[i] = float32(math.Exp(float64(v - top)))
		sum += float64(dst[i])
	}
	for i := range dst {
		dst[i] = float32(float64(dst[i]) / sum)
	}
}

// total is the largest of x and Σ exp(x - top).
func total(x []float32) (top float32, sum float64) {
	top = x[argmax(x)]
	for _, v := range x {
		sum += math.Exp(float64(v - top))
	}
	return top, sum
}
