// Package report draws causal traces, averages of many and series over layers:
// as text on a terminal, as SVG, and as one HTML page that needs nothing else.
//
// A picture is a pure function of its input, so that it can be compared byte
// for byte. Text from a model or a prompt is shown with control characters
// escaped; a value that is not finite is drawn as missing.
package report

import (
	"fmt"

	"retcon/trace/result"
)

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

// heatMap is one panel: a measure by restored token and layer.
type heatMap struct {
	Title       string // "" names the kind and the window
	Axis        string // of the layers; "" says what a column restores
	Kind        Kind
	Values      [][]float64 // [row][layer]
	Approximate bool        // estimated from gradients, not run
	half        [][]float64 // of an average: half widths of 95 % intervals, or nil
}

// reading is a trace as one measure tells it.
type reading struct {
	trace *result.Trace
	result.Measure
	name string // of the measure; "" is the answer's probability
}

// readings are the trace by the answer's probability and, where there are grids
// of it, by the logit difference. A foil that is the answer itself has none.
func readings(t *result.Trace) []reading {
	out := []reading{{trace: t, Measure: result.Measure{Clean: t.PClean, Corrupted: t.PCorrupted, Grids: t.Grids}}}
	if d := t.LogitDifference; d != nil && d.Foil != t.Answer && !empty(d.Grids) {
		out = append(out, reading{t, d.Measure, "logit difference"})
	}
	return out
}

// empty reports whether there is nothing to draw.
func empty(g result.Grids) bool {
	return g.Hidden == nil && g.MLP == nil && g.Attn == nil && g.Severed == nil
}

// maps are the grids that were made.
func (r reading) maps() []heatMap {
	var out []heatMap
	for _, m := range []heatMap{{Kind: Hidden, Values: r.Hidden}, {Kind: MLP, Values: r.MLP}, {Kind: Attn, Values: r.Attn}} {
		if m.Values != nil {
			m.Approximate = r.trace.Approx != nil
			out = append(out, m)
		}
	}
	return out
}

// checkTrace refuses a trace whose parts do not fit together.
func checkTrace(t *result.Trace) error {
	if t.Subject[0] < 0 || t.Subject[1] < t.Subject[0] || t.Subject[1] > len(t.Tokens) {
		return fmt.Errorf("report: subject [%d, %d) of %d tokens", t.Subject[0], t.Subject[1], len(t.Tokens))
	}
	if empty(t.Grids) {
		return fmt.Errorf("report: the trace holds neither a grid nor severed runs")
	}
	for _, r := range readings(t) {
		for _, m := range r.maps() {
			if err := m.check(len(t.Tokens)); err != nil {
				return fmt.Errorf("report: grid %v%s: %w", m.Kind, r.of(), err)
			}
		}
		if err := checkSevered(r.Severed); err != nil {
			return err
		}
	}
	return nil
}

// of says of which measure, where it is another than the probability.
func (r reading) of() string {
	if r.name == "" {
		return ""
	}
	return " of the " + r.name
}

func (g heatMap) check(tokens int) error {
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

func (g heatMap) layers() int {
	if len(g.Values) == 0 {
		return 0
	}
	return len(g.Values[0])
}
