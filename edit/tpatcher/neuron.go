package tpatcher

import (
	"math"

	"retcon/gguf/ffn"
	"retcon/lm"
)

// sharpness multiplies pre-activations inside the activation: SiLU and GELU
// then stay below 1/28 and 1/47 of a unit where they are negative, and are
// nothing at the margin of -3.
const sharpness = 8

// response is what a patch of pre-activation a multiplies its value with, and
// its derivative: act(8 a) / 8, about max(0, a). A squared activation gives a²
// there.
func response(s lm.Network, a float64) (h, slope float64) {
	y, d := s.Act.Value(sharpness * a)
	if s.Squared {
		return y * y / (sharpness * sharpness), 2 * y * d / sharpness
	}
	return y / sharpness, d
}

// neuronOf is the neuron that computes the patch in the site's network. Where
// that has no bias, the memory's constant carries it; the up-projection of a
// gated network is 1, or that constant.
func neuronOf(s lm.Network, p Patch, m *Memory) ffn.Neuron {
	var n ffn.Neuron
	scale := s.UpScale
	if s.Gated {
		scale = s.GateScale
	}
	row, bias := make([]float32, s.Width), float32(0)
	factor := sharpness / float64(scale)
	for i, k := range p.Key {
		if !s.Bias {
			k += p.Bias * m.constant[i]
		}
		row[i] = float32(k * factor)
	}
	if s.Bias {
		bias = float32(p.Bias * factor)
	}
	// Values of one length: they share blocks in which the largest sets the
	// precision of all. The length goes to the other factor.
	length := norm32(p.Value)
	if length == 0 {
		length = 1
	}
	n.Down = make([]float32, s.Width)
	for i, v := range p.Value {
		n.Down[i] = float32(float64(v) / length)
	}
	length /= sharpness
	if s.Squared {
		length /= sharpness
	}
	if !s.Gated {
		// act(x) is about max(0, x): the argument carries the length
		if s.Squared {
			length = math.Sqrt(length)
		}
		for i := range row {
			row[i] *= float32(length)
		}
		n.Up, n.UpBias = row, bias*float32(length)
		return n
	}
	n.Gate, n.GateBias = row, bias
	if s.UpBias {
		n.UpBias = float32(length) / s.UpScale
		return n
	}
	n.Up = make([]float32, s.Width)
	for i, c := range m.constant {
		n.Up[i] = float32(c * length / float64(s.UpScale))
	}
	return n
}
