// Package report draws causal traces: as a heat map on a terminal and as SVG.
//
// A picture is a pure function of its input, so that it can be compared byte
// for byte. Text from a model or a prompt is shown with control characters
// escaped; a value that is not finite is drawn as missing.
package report

import (
	"fmt"
	"math"
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

// Grid is one panel: the answer's probability by restored token and layer.
type Grid struct {
	Title  string // "" names the kind and the window
	Axis   string // of the layers; "" says what a column restores
	Kind   Kind
	Values [][]float64 // [token][layer]
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
	return t.Severed.check()
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

func (s *Severed) check() error {
	if s == nil {
		return nil
	}
	n := s.layers()
	if n == 0 {
		return fmt.Errorf("report: severed runs without values")
	}
	for _, r := range s.runs() {
		if len(r.values) != n {
			return fmt.Errorf("report: %s: %d layers, others have %d", r.name, len(r.values), n)
		}
	}
	return nil
}

func (s *Severed) layers() int {
	return max(len(s.Single), len(s.MLPSevered), len(s.AttnSevered))
}

// run is one series of severed runs.
type run struct {
	name   string
	kind   Kind
	values []float64
}

// runs are the series that were run.
func (s *Severed) runs() []run {
	var out []run
	for _, r := range []run{
		{"single state", Hidden, s.Single},
		{"FFN severed", MLP, s.MLPSevered},
		{"attention severed", Attn, s.AttnSevered},
	} {
		if len(r.values) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// subject says whether a token is the subject's.
func (t Trace) subject(i int) bool { return i >= t.Begin && i < t.End }

// title is the heading of a panel.
func (t Trace) title(g Grid) string {
	switch {
	case g.Title != "":
		return visible(g.Title)
	case g.Kind == Hidden:
		return "Restoring the hidden state"
	case g.Kind == MLP:
		return "Restoring FFN outputs" + t.window()
	}
	return "Restoring attention outputs" + t.window()
}

func (t Trace) window() string {
	if t.Window < 1 {
		return ""
	}
	return fmt.Sprintf(", window of %d", t.Window)
}

// axis is the name of a panel's columns.
func (t Trace) axis(g Grid) string {
	switch {
	case g.Axis != "":
		return visible(g.Axis)
	case g.Kind == Hidden || t.Window < 2:
		return "single restored layer"
	}
	return fmt.Sprintf("centre of the interval of %d restored layers", t.Window)
}

// facts is the line under the prompt.
func (t Trace) facts() string {
	s := fmt.Sprintf("p(%s): %s clean, %s corrupted", quoted(t.Answer), number(t.Clean), number(t.Corrupted))
	if finite(t.Noise) && t.Noise > 0 {
		s += fmt.Sprintf("; noise %.3g", t.Noise)
	}
	if t.Samples > 0 {
		s += fmt.Sprintf(", %d %s", t.Samples, plural(t.Samples, "sample"))
	}
	if t.End > t.Begin {
		s += "; * marks the subject"
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
