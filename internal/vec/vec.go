package vec

import "math"

// real is either width of float.
type real interface{ float32 | float64 }

// Dot is the inner product, summed in float64.
func Dot[A, B real](a []A, b []B) float64 {
	var s float64
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}

// Norm is the Euclidean length.
func Norm[A real](a []A) float64 { return math.Sqrt(Dot(a, a)) }

// Finite reports whether no entry is NaN or infinite.
func Finite[A real](a []A) bool {
	for _, v := range a {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

// Mean is the mean of vectors of one length.
func Mean(vs [][]float32) []float64 {
	out := make([]float64, len(vs[0]))
	for _, v := range vs {
		for i, x := range v {
			out[i] += float64(x) / float64(len(vs))
		}
	}
	return out
}

// Narrow rounds to float32, scaling by s.
func Narrow(a []float64, s float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v * s)
	}
	return out
}

// Widen copies to float64.
func Widen(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}

func Sum(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}

func Scaled(a []float64, s float64) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = v * s
	}
	return out
}
