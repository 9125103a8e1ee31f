package tpatcher

import (
	"math"
	"slices"
)

// Form is a form of the memory losses l_m1 and l_m2, of differences d that
// should be below 0.
type Form string

// The forms.
const (
	// ExpTopK is the mean of the largest exp(d), as the authors' code trains.
	// There l_m2 is the difference of two activations: b drops out.
	ExpTopK Form = "exp-topk"
	// Hinge is the mean of max(0, d).
	Hinge Form = "hinge"
	// Mean is the mean of d, as the paper's text has it. It has no lower bound
	// and its margins have no gradient, so that training ends once every query
	// is under its margin, and the key's length is bounded.
	Mean Form = "mean"
)

// mostExponent bounds exp in a loss whose key is still far off.
const mostExponent = 30

// loss gives the loss of differences d and its derivative in each: pull[i] is
// dL/d d[i], 0 for most. topK counts for ExpTopK.
func (f Form) loss(d []float64, topK int, pull []float64) float64 {
	clear(pull)
	if len(d) == 0 {
		return 0
	}
	n, sum := float64(len(d)), 0.0
	switch f {
	case Hinge:
		for i, v := range d {
			if v > 0 {
				sum += v
				pull[i] = 1 / n
			}
		}
	case Mean:
		for i, v := range d {
			sum += v
			pull[i] = 1 / n
		}
	default:
		topK = min(topK, len(d))
		n = float64(topK)
		least := kthLargest(d, topK)
		left := topK
		for i, v := range d {
			if v < least || left == 0 {
				continue
			}
			left--
			e := math.Exp(min(v, mostExponent))
			sum += e
			pull[i] = e / n
		}
	}
	return sum / n
}

// kthLargest is the k-th largest of v, by selection.
func kthLargest(v []float64, k int) float64 {
	s := slices.Clone(v)
	lo, hi, at := 0, len(s)-1, len(s)-k
	for lo < hi {
		pivot := s[(lo+hi)/2]
		i, j := lo, hi
		for i <= j {
			for s[i] < pivot {
				i++
			}
			for s[j] > pivot {
				j--
			}
			if i <= j {
				s[i], s[j] = s[j], s[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case at <= j:
			hi = j
		case at >= i:
			lo = i
		default:
			return s[at]
		}
	}
	return s[at]
}

// Losses are the parts of L_p (the paper's equations 6 to 11).
type Losses struct {
	Fire     float64 `json:"l_a"`  // exp(-a) of the edit's own queries
	Edit     float64 `json:"l_e"`  // -log p of the target token, nats
	Memory1  float64 `json:"l_m1"` // activations of the memory against their margin
	Memory2  float64 `json:"l_m2"` // the same, relative to the edit's own query
	Contrast float64 `json:"l_c"`  // l_m1 over the prompt with other subjects
	Leak     float64 `json:"leak"` // mean of what the activation lets through below 0, in parts of the edit's own
}
