package edit

import "math"

// real is either width of float.
type real interface{ float32 | float64 }

// dot is the inner product, summed in float64.
func dot[A, B real](a []A, b []B) float64 {
	var s float64
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}

// norm is the Euclidean length.
func norm[A real](a []A) float64 { return math.Sqrt(dot(a, a)) }

// finite reports whether no entry is NaN or infinite.
func finite[A real](a []A) bool {
	for _, v := range a {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

// mean is the mean of vectors of one length.
func mean(vs [][]float32) []float64 {
	out := make([]float64, len(vs[0]))
	for _, v := range vs {
		for i, x := range v {
			out[i] += float64(x) / float64(len(vs))
		}
	}
	return out
}

// narrow rounds to float32, scaling by s.
func narrow(a []float64, s float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v * s)
	}
	return out
}

// widen copies to float64.
func widen(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}
