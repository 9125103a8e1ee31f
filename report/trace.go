// Package report draws causal traces, averages of many and series over layers:
// as text on a terminal, as SVG, and as one HTML page that needs nothing else.
//
// A picture is a pure function of its input, so that it can be compared byte
// for byte. Text from a model or a prompt is shown with control characters
// escaped; a value that is not finite is drawn as missing.
package report

import "fmt"

// Kind is what a grid's runs restored. It decides the grid's colours.
type Kind int

// The kinds of a grid.
const (
	Hidden Kind = iota // the hidden state at one layer: purple
	MLP                // FFN outputs in a window of layers: green
	Attn               // attention outputs in a window of layers: red
)

// String is the kind as the command line spells it.
func (k Kind) String() string {
	if k < Hidden || k > Attn {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return [...]string{"hidden", "mlp", "attn"}[k]
}

// Grid is one panel: the answer's probability by restored token and layer, or
// what a Metric measures.
type Grid struct {
	Title       string // "" names the kind and the window
	Axis        string // of the layers; "" says what a column restores
	Kind        Kind
	Values      [][]float64 // [token][layer]
	Approximate bool        // estimated from gradients, not run
	half        [][]float64 // of an average: half widths of 95 % intervals, or nil
}

// Severed are the runs that restore the state of the subject's last token, by
// layer: alone, and with its FFN or attention outputs kept as corrupted. A
// series that was not run is empty.
type Severed struct{ Single, MLPSevered, AttnSevered []float64 }

// Trace is what is drawn: the trace of one prompt.
type Trace struct {
	Prompt           string
	Tokens           []string
	Begin, End       int // the subject's tokens, [Begin, End)
	Answer           string
	Clean, Corrupted float64 // probability of the answer
	Noise            float64
	Samples, Window  int
	Grids            []Grid
	Severed          *Severed
	Metrics          []Metric // the same runs, measured in other ways
	metric           *Metric  // what the values are, where not probabilities
}

// Metric is a trace's runs measured in another way than by the answer's
// probability: by a difference of logits, say. A page lets the reader choose;
// Under makes a trace of it.
type Metric struct {
	Name             string // "logit difference": names the choice and the colour bar
	Clean, Corrupted float64
	Symmetric        bool // colours run as far below the corrupted value as above it
	Grids            []Grid
	Severed          *Severed
}

// Under is the trace as a metric measures it, to be drawn by itself.
func (t Trace) Under(m Metric) Trace {
	t.Clean, t.Corrupted, t.Grids, t.Severed = m.Clean, m.Corrupted, m.Grids, m.Severed
	t.Metrics, t.metric = nil, &m
	return t
}

// measures are the trace itself and the trace under each of its metrics.
func (t Trace) measures() []Trace {
	out := []Trace{t}
	for _, m := range t.Metrics {
		out = append(out, t.Under(m))
	}
	return out
}

// check refuses a trace whose parts do not fit together.
func (t Trace) check() error {
	if t.Begin < 0 || t.End < t.Begin || t.End > len(t.Tokens) {
		return fmt.Errorf("report: subject [%d, %d) of %d tokens", t.Begin, t.End, len(t.Tokens))
	}
	if len(t.Grids) == 0 && t.Severed == nil {
		return fmt.Errorf("report: the trace holds neither a grid nor severed runs")
	}
	for i, g := range t.Grids {
		if err := g.check(len(t.Tokens)); err != nil {
			return fmt.Errorf("report: grid %d: %w", i, err)
		}
	}
	if err := t.Severed.check(); err != nil {
		return err
	}
	for _, m := range t.Metrics {
		if m.Name == "" {
			return fmt.Errorf("report: a metric without a name")
		}
		if err := t.Under(m).check(); err != nil {
			return fmt.Errorf("%s: %w", visible(m.Name), err)
		}
	}
	return nil
}

func (g Grid) check(tokens int) error {
	if g.Kind < Hidden || g.Kind > Attn {
		return fmt.Errorf("unknown kind %d", int(g.Kind))
	}
	if len(g.Values) != tokens {
		return fmt.Errorf("%d rows for %d tokens", len(g.Values), tokens)
	}
	for i, row := range g.Values {
		if len(row) != g.layers() {
			return fmt.Errorf("row %d has %d layers, row 0 has %d", i, len(row), g.layers())
		}
	}
	if g.layers() == 0 {
		return fmt.Errorf("no cells")
	}
	return nil
}

func (g Grid) layers() int {
	if len(g.Values) == 0 {
		return 0
	}
	return len(g.Values[0])
}
