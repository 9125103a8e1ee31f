package patch

import (
	"math"

	"retcon/gguf/widen"
)

// Activation is the activation of a feed-forward network.
type Activation string

// The activations of llama.cpp's dense models.
const (
	ReLU      Activation = "relu"
	GELU      Activation = "gelu" // tanh form
	GELUErf   Activation = "gelu_erf"
	GELUQuick Activation = "gelu_quick"
	SiLU      Activation = "silu"
)

// Value is act(x) and its derivative.
func (a Activation) Value(x float64) (y, slope float64) {
	switch a {
	case ReLU:
		if x > 0 {
			return x, 1
		}
		return 0, 0
	case GELUErf:
		p := 0.5 * (1 + math.Erf(x/math.Sqrt2))
		return x * p, p + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case GELUQuick:
		return swish(x, 1.702)
	case GELU:
		const c = 0.044715
		k := math.Sqrt(2 / math.Pi)
		s := logistic(2 * k * (x + c*x*x*x))
		return x * s, s + x*s*(1-s)*2*k*(1+3*c*x*x)
	}
	return swish(x, 1)
}

// swish is x s(k x) with the logistic s.
func swish(x, k float64) (y, slope float64) {
	s := logistic(k * x)
	return x * s, s + k*x*s*(1-s)
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Site is the feed-forward network of the last layer as patches meet it.
type Site struct {
	Arch    string
	Layer   int
	Width   int // n_embd, the length of a query and of a value
	Vocab   int
	Act     Activation
	Squared bool // the activation is squared
	Gated   bool
	// Bias reports that a neuron can have a bias at its activation, UpBias one
	// at the up-projection of a gated network.
	Bias, UpBias bool
	// GateScale and UpScale multiply the arguments of gate and up-projection,
	// 1 where nothing does. Without a gate UpScale is the activation's.
	GateScale, UpScale float32
	// Round, if not nil, gives a key's row as the file will hold it.
	Round func(row []float32) ([]float32, error)
}

// Response is what a neuron multiplies its Down with at a query q [n_embd].
func (s Site) Response(n widen.Neuron, q []float32) float64 {
	up := float64(s.UpScale) * (dot(n.Up, q) + float64(n.UpBias))
	if !s.Gated {
		return s.activate(up)
	}
	return s.activate(float64(s.GateScale)*(dot(n.Gate, q)+float64(n.GateBias))) * up
}

func (s Site) activate(x float64) float64 {
	y, _ := s.Act.Value(x)
	if s.Squared {
		y *= y
	}
	return y
}

func dot(a, b []float32) float64 {
	if len(a) == 0 {
		return 0
	}
	var s0, s1, s2, s3 float32
	n := len(a) &^ 3
	b = b[:len(a)]
	for i := 0; i < n; i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	s := float64(s0) + float64(s1) + float64(s2) + float64(s3)
	for i := n; i < len(a); i++ {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}
