package lm

import (
	"context"
	"math"

	"retcon/gguf/ffn"
	"retcon/internal/vec"
)

// Widenable is a model whose last feed-forward network can be given neurons, as
// T-Patcher does.
type Widenable interface {
	// LastNetwork describes the feed-forward network of the last layer. A model
	// in which it has another form than a Network is refused by name.
	LastNetwork(ctx context.Context) (Network, error)
	// Queries hands fn the query [n_embd] of each token of each text, and
	// stops the forward pass there. The slice is valid inside fn only.
	Queries(ctx context.Context, texts [][]int32, fn func(text, pos int, q []float32) error) error
	// LastQueries are the queries [n_embd] of the last token of each row.
	LastQueries(ctx context.Context, rows [][]int32) ([][]float32, error)
	// Head decodes the rows and prepares what follows the last feed-forward
	// network at their positions. Neurons that are set do not count there.
	Head(ctx context.Context, rows []HeadRow) (Head, error)
	// SetNeurons makes the model compute with these neurons beside the last
	// feed-forward network's own from now on. None restores it.
	SetNeurons(neurons []ffn.Neuron) error
}

// HeadRow is a sequence of tokens; its predictions after each of Tokens[From:] are
// looked at, and should be Target.
type HeadRow struct {
	Tokens []int32
	From   int
	Target []int32
}

// Head is what follows the last feed-forward network, at the positions of some
// rows, one after the other.
type Head interface {
	// Queries are the queries of all positions, [positions, n_embd].
	Queries() []float32
	// Target sets the token that each position should predict, and how much
	// that counts in the loss.
	Target(tokens []int32, weights []float32) error
	// Step computes -log p, in nats, of each position's target with add
	// [positions, n_embd] added to the network's output, and the gradient of
	// their weighted sum there.
	Step(ctx context.Context, add, grad []float32, nll []float64) error
	// Best is the likeliest token of each position in the last Step.
	Best() ([]int32, error)
	Close() error
}

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

// Network is the feed-forward network of the last layer as added neurons meet it.
type Network struct {
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
func (s Network) Response(n ffn.Neuron, q []float32) float64 {
	up := float64(s.UpScale) * (vec.Dot32(n.Up, q) + float64(n.UpBias))
	if !s.Gated {
		return s.activate(up)
	}
	return s.activate(float64(s.GateScale)*(vec.Dot32(n.Gate, q)+float64(n.GateBias))) * up
}

func (s Network) activate(x float64) float64 {
	y, _ := s.Act.Value(x)
	if s.Squared {
		y *= y
	}
	return y
}
