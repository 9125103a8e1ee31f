package average

import (
	"io"
	"math"
	"strings"
	"testing"

	"retcon/report"
)

// Averages are drawn as they are: gaps where no fact has a row, no bands of one
// fact, estimates named.
func TestPicture(t *testing.T) {
	set := Settings{Layers: 3, Window: 1, Kinds: []string{MLP}, Sever: true, Samples: 2, Noise: 0.5, Approx: true}
	record := func(p float64) Record {
		grid := [][]float64{{0.1, 0.1, 0.1}, {0.1, p, 0.2}, {0.1, 0.1, 0.3}}
		series := []float64{0.1, p, 0.1}
		return Record{
			Status: Traced, Tokens: []string{"a", "b", "c"}, Range: [2]int{1, 2}, PClean: 0.9, PCorrupted: 0.1,
			Grids: Grids{MLP: grid, Severed: &Severed{Single: series, MLPSevered: series, AttnSevered: series}},
		}
	}
	for n, records := range [][]Record{{record(0.7)}, {record(0.7), record(0.71)}} {
		s := Summarise(set, records)
		a := Picture(set, s)
		if err := report.WriteAverageSVG(io.Discard, *a); err != nil {
			t.Fatal(err)
		}
		g := a.Grids[0]
		if len(a.Grids) != 1 || g.Kind != report.MLP || !g.Approximate || a.Counts[LastSubject] != n+1 || a.Counts[MiddleSubject] != 0 {
			t.Errorf("%d facts: %+v", n+1, a)
		}
		if want := s.Indirect[MLP][LastSubject].Mean[1]; g.Effect[LastSubject][1] != want || !math.IsNaN(g.Effect[MiddleSubject][1]) {
			t.Errorf("%d facts: effects %v", n+1, g.Effect)
		}
		if bands := a.Severed.Single.Half != nil; bands != (n == 1) {
			t.Errorf("%d facts: bands %v", n+1, a.Severed.Single.Half)
		}
		if n == 1 && !strings.HasPrefix(a.Suggestion, "layer to edit: 1 (") {
			t.Errorf("%q", a.Suggestion)
		}
	}
}

func TestSuggestionText(t *testing.T) {
	for want, s := range map[string]Suggestion{
		"why not":                      {-1, -1, "why not"},
		"layer to edit: 4 (why)":       {4, 4, "why"},
		"layers to edit: 4 to 6 (why)": {4, 6, "why"},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
