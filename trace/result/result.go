package result

// Trace is the trace of one prompt. Grids hold the answer's mean probability
// over the samples; cells that cannot differ from the corrupted run hold
// PCorrupted.
type Trace struct {
	Prompt      string   `json:"prompt"`
	Tokens      []string `json:"tokens"`
	TokensBytes [][]byte `json:"tokens_bytes,omitempty"` // the prompt's bytes, by token
	Subject     [2]int   `json:"subject"`                // tokens [begin, end)
	Answer      string   `json:"answer"`                 // empty: a control token
	AnswerBytes []byte   `json:"answer_bytes,omitempty"` // of a part of a character
	AnswerToken int32    `json:"answer_token"`
	Said        string   `json:"said,omitempty"` // the answer and the greedy continuation, where it was asked for
	PClean      float64  `json:"p_clean"`
	PCorrupted  float64  `json:"p_corrupted"`
	Noise       float64  `json:"noise"`
	Samples     int      `json:"samples"`
	Window      int      `json:"window"`
	Grids
	// LogitDifference is the same in another measure, if a foil was named. It
	// has no severed runs.
	LogitDifference *LogitDifference `json:"logit_difference,omitempty"`
	// Approx says that the grids are estimates, but for the cells it names.
	Approx  *Approximated `json:"approx,omitempty"`
	Seconds float64       `json:"seconds"`
}

// Answer is what a model answers to a prompt in a plain run.
type Answer struct {
	Prompt      string   `json:"prompt"`
	Tokens      []string `json:"tokens"`
	TokensBytes [][]byte `json:"tokens_bytes,omitempty"` // the prompt's bytes, by token
	Subject     [2]int   `json:"subject"`                // tokens [begin, end)
	Answer      string   `json:"answer"`
	AnswerBytes []byte   `json:"answer_bytes,omitempty"` // of a part of a character
	AnswerToken int32    `json:"answer_token"`
	PClean      float64  `json:"p_clean"` // the answer's probability
}

// LogitDifference is the answer's logit less the foil's, the mean over the
// samples (arXiv 2309.16042).
type LogitDifference struct {
	Foil      string `json:"foil"`
	FoilBytes []byte `json:"foil_bytes,omitempty"` // of a part of a character
	Measure
}

// Measure is one figure over all runs of a prompt.
type Measure struct {
	Clean     float64 `json:"clean"`
	Corrupted float64 `json:"corrupted"`
	Grids
}

// The kinds of grid, by what was restored: the state after one layer, or a
// module's outputs in a window of layers.
const (
	Hidden = "hidden"
	MLP    = "mlp"
	Attn   = "attn"
)

// Grids are a figure with one value restored, [token][layer]; nil where the kind
// was not traced.
type Grids struct {
	Hidden  [][]float64 `json:"hidden,omitempty"`
	MLP     [][]float64 `json:"mlp,omitempty"`
	Attn    [][]float64 `json:"attn,omitempty"`
	Severed *Severed    `json:"severed,omitempty"`
}

// Grid is the grid of a kind, nil where there is none.
func (g *Grids) Grid(kind string) [][]float64 {
	switch kind {
	case Hidden:
		return g.Hidden
	case MLP:
		return g.MLP
	case Attn:
		return g.Attn
	}
	return nil
}

// Severed are the severed runs, [layer].
type Severed = Severing[[]float64]

// Severing is a thing of each of the runs that restore the state of the
// subject's last token after one layer: alone, and with the FFN outputs or the
// attention outputs of that token at all later layers as in the corrupted run.
type Severing[T any] struct {
	Single      T `json:"single"`
	MLPSevered  T `json:"mlp_severed"`
	AttnSevered T `json:"attn_severed"`
}

// All are the three things, in the order of the fields.
func (s Severing[T]) All() [3]T { return [3]T{s.Single, s.MLPSevered, s.AttnSevered} }

// Approximated says how grids were estimated.
type Approximated struct {
	Steps   int    `json:"steps"`
	Refined []Cell `json:"refined"` // computed exactly
}

// Cell is a place in a grid.
type Cell struct {
	Kind  string `json:"kind"`
	Token int    `json:"token"`
	Layer int    `json:"layer"`
}
