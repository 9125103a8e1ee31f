package report

import (
	"fmt"

	"retcon/trace/result"
)

// AverageRows is how many rows an averaged grid has.
const AverageRows = 6

// rowNames are the rows of the original's averaged figure (Meng et al. 2022,
// figure 2): groups of a prompt's tokens.
var rowNames = [AverageRows]string{
	"first subject token", "middle subject tokens", "last subject token",
	"first subsequent token", "further tokens", "last token",
}

// subjectRows are the first rows, which are of the subject's tokens.
const subjectRows = 3

// AverageGrid is one panel of an average. Its rows are, in this order: the first,
// the middle and the last tokens of the subject, the first token after it, the
// further ones, and the last token of the prompt.
type AverageGrid struct {
	Title       string // "" names the kind and the window
	Axis        string // of the layers; "" says what a column restores
	Kind        Kind
	Effect      [][]float64 // [row][layer]: mean of p(restored) - p(corrupted), the AIE
	Half        [][]float64 // [row][layer]: half width of its 95 % interval; may be nil
	Approximate bool
}

// Band is a mean over facts by layer.
type Band struct {
	Mean []float64
	Half []float64 // half width of the 95 % interval; may be nil
}

// AverageSevered are averaged severed runs: effects, p(run) - p(corrupted), by
// layer. A series that was not run is empty.
type AverageSevered = result.Severing[Band]

// Average is what is drawn of the traces of many facts.
type Average struct {
	Title              string // what was averaged; "" says how many facts
	Facts              int
	Clean, Corrupted   float64 // mean probability of the answer
	Effect, EffectHalf float64 // total effect, and half of its 95 % interval
	Noise              float64
	Samples, Window    int
	Counts             [AverageRows]int // facts that have a token in the row
	Grids              []AverageGrid
	Severed            *AverageSevered
	Suggestion         string // layers to edit, and the evidence, as a sentence
}

// check refuses an average whose parts do not fit together.
func (a Average) check() error {
	if len(a.Grids) == 0 && a.Severed == nil {
		return fmt.Errorf("report: the average holds neither a grid nor severed runs")
	}
	for i, g := range a.Grids {
		if err := g.check(); err != nil {
			return fmt.Errorf("report: grid %d of the average: %w", i, err)
		}
	}
	if a.Severed == nil {
		return nil
	}
	return checkRuns(averageRuns(*a.Severed))
}

func (g AverageGrid) check() error {
	if err := (heatMap{Kind: g.Kind, Values: g.Effect}).check(AverageRows); err != nil {
		return err
	}
	if g.Half == nil {
		return nil
	}
	if len(g.Half) != AverageRows {
		return fmt.Errorf("half widths of %d rows, want %d", len(g.Half), AverageRows)
	}
	for i, row := range g.Half {
		if len(row) != len(g.Effect[i]) {
			return fmt.Errorf("row %d has %d layers and %d half widths", i, len(g.Effect[i]), len(row))
		}
	}
	return nil
}
