package report

import (
	"bytes"
	"io"
	"math"
	"testing"
)

// sampleAverage has its peak at the subject's last token, and no fact with
// further tokens.
func sampleAverage() Average {
	a := Average{
		Facts: 120, Clean: 0.27, Corrupted: 0.085, Effect: 0.185, EffectHalf: 0.012, Noise: 0.35, Samples: 10, Window: 4,
		Counts:     [AverageRows]int{120, 64, 120, 120, 0, 120},
		Suggestion: "Layers 3 to 5: FFN outputs at the subject's last token have an effect of at least 90 % of the largest there.",
	}
	for i, k := range []Kind{Hidden, MLP, Attn} {
		g := AverageGrid{Kind: k, Effect: make([][]float64, AverageRows), Half: make([][]float64, AverageRows)}
		for r := range AverageRows {
			g.Effect[r], g.Half[r] = averageRow(r, 12, 1/float64(1+i))
		}
		a.Grids = append(a.Grids, g)
	}
	band := func(size, centre float64) Band {
		var b Band
		for j := range 12 {
			b.Mean = append(b.Mean, size*math.Exp(-math.Pow(float64(j)-centre, 2)/8))
			b.Half = append(b.Half, 0.006)
		}
		return b
	}
	a.Severed = &AverageSevered{Single: band(0.09, 4), MLPSevered: band(0.04, 7), AttnSevered: band(0.08, 4)}
	return a
}

func averageRow(row, layers int, size float64) (effect, half []float64) {
	for j := range layers {
		e := 0.004 * float64(row)
		switch row {
		case 2:
			e = 0.09 * math.Exp(-math.Pow(float64(j-4), 2)/10)
		case 4:
			e = math.NaN()
		case 5:
			e = 0.12 / (1 + math.Exp(-float64(j-9)))
		}
		effect, half = append(effect, size*e), append(half, 0.003+0.002*size)
	}
	return effect, half
}

func averageSVG(t *testing.T, a Average) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteAverageSVG(&b, a); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func averageText(t *testing.T, a Average, o TerminalOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteAverageTerminal(&b, a, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAverageGolden(t *testing.T) {
	golden(t, "average.txt", []byte(averageText(t, sampleAverage(), TerminalOptions{})))
	golden(t, "average-256.txt", []byte(averageText(t, sampleAverage(), TerminalOptions{Colour: Colour256})))
	golden(t, "average.svg", averageSVG(t, sampleAverage()))
}

// degenerateAverages are averages whose numbers or texts are of little use.
func degenerateAverages() map[string]Average {
	out := map[string]Average{}
	add := func(name string, change func(*Average)) {
		a := sampleAverage()
		change(&a)
		out[name] = a
	}
	nan := math.NaN()
	add("hostile", func(a *Average) {
		a.Title, a.Suggestion = "<script>\x1b[2J", "</svg>\u202e\xff"
		a.Grids[0].Title, a.Grids[1].Axis = "\"><b>", "&\x00"
	})
	add("one layer, no bands", func(a *Average) {
		a.Grids = []AverageGrid{{Effect: [][]float64{{0}, {0}, {0}, {0}, {0}, {0}}}}
		a.Severed = &AverageSevered{Single: Band{Mean: []float64{0}}}
	})
	add("not finite", func(a *Average) {
		row := []float64{nan, math.Inf(1)}
		a.Grids = []AverageGrid{{Kind: Attn, Effect: [][]float64{row, row, row, row, row, row}, Half: [][]float64{row, row, row, row, row, row}}}
		a.Severed = &AverageSevered{AttnSevered: Band{row, row}}
		a.Clean, a.EffectHalf = nan, math.Inf(1)
	})
	add("negative", func(a *Average) {
		for _, g := range a.Grids {
			for _, row := range g.Effect {
				for j := range row {
					row[j] = -0.1 - row[j]
				}
			}
		}
	})
	add("wide intervals", func(a *Average) { a.Grids[0].Half[2][3] = 1e6 })
	add("severed only", func(a *Average) { a.Grids = nil })
	return out
}

func TestAverageFits(t *testing.T) {
	for name, a := range degenerateAverages() {
		for _, width := range []int{20, 45, 80, 200} {
			for c := NoColour; c <= TrueColour; c++ {
				text := averageText(t, a, TerminalOptions{Width: width, Colour: c})
				checkLines(t, name, sgr.ReplaceAllString(text, ""), width)
			}
		}
		b := averageSVG(t, a)
		checkSafe(t, name, b)
		checkXML(t, name, b)
	}
}

func TestAverageRefuses(t *testing.T) {
	for name, change := range map[string]func(*Average){
		"nothing":  func(a *Average) { a.Grids, a.Severed = nil, nil },
		"rows":     func(a *Average) { a.Grids[0].Effect = a.Grids[0].Effect[:5] },
		"ragged":   func(a *Average) { a.Grids[0].Effect[2] = nil },
		"halves":   func(a *Average) { a.Grids[1].Half = a.Grids[1].Half[1:] },
		"half row": func(a *Average) { a.Grids[1].Half[3] = nil },
		"kind":     func(a *Average) { a.Grids[0].Kind = -1 },
		"series":   func(a *Average) { a.Severed.Single.Mean = a.Severed.Single.Mean[1:] },
		"whiskers": func(a *Average) { a.Severed.Single.Half = a.Severed.Single.Half[1:] },
		"empty":    func(a *Average) { a.Severed = &AverageSevered{} },
	} {
		a := sampleAverage()
		change(&a)
		if WriteAverageTerminal(io.Discard, a, TerminalOptions{}) == nil || WriteAverageSVG(io.Discard, a) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
