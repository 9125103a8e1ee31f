package locate

import (
	"math"
	"strings"
	"testing"

	"retcon/trace/doubt"
	"retcon/trace/result"
)

// The layer is in the middle of the window with the largest mean effect, also
// where windows are cut off; the runner-up is another layer.
func TestLocated(t *testing.T) {
	const layers, window = 12, 4
	run := func(peak int, clean, corrupted, height float64) *result.Trace {
		r := &result.Trace{Subject: [2]int{1, 3}, PClean: clean, PCorrupted: corrupted, Grids: result.Grids{MLP: make([][]float64, 4)}}
		for token := range r.MLP {
			for l := range layers {
				p := corrupted
				if token == 2 {
					p += height / float64(1+max(l-peak, peak-l))
				} else {
					p += 0.9 * float64(l) // not the subject's last token: not to be read
				}
				r.MLP[token] = append(r.MLP[token], p)
			}
		}
		return r
	}
	for _, c := range []struct{ peak, layer, begin, end int }{{6, 6, 4, 8}, {2, 2, 0, 4}, {0, 1, 0, 2}, {11, 10, 9, 12}} {
		e := &effects{window: window, mean: make([]float64, layers)}
		e.add(run(c.peak, 0.9, 0.1, 0.6))
		e.add(run(c.peak, 0.7, 0.3, 0.2))
		l := e.located()
		if l.Layer != c.layer || l.Window != [2]int{c.begin, c.end} || math.Abs(l.Effect-0.4) > 1e-12 || l.Prompts != 2 {
			t.Errorf("peak %d: %+v", c.peak, l)
		}
		if math.Abs(l.PClean-0.8) > 1e-12 || math.Abs(l.PCorrupted-0.2) > 1e-12 || l.RunnerUp.Layer == l.Layer || l.RunnerUp.Effect > l.Effect || l.RunnerUp.Effect < 0.05 {
			t.Errorf("peak %d: %+v, next %+v", c.peak, l, l.RunnerUp)
		}
		if len(l.Warnings) != 0 {
			t.Errorf("peak %d: warnings %q", c.peak, l.Warnings)
		}
	}
	flat := &effects{window: window, mean: make([]float64, layers)}
	flat.add(run(3, 0.9, 0.5, -0.1))
	if l := flat.located(); len(l.Warnings) != 1 {
		t.Errorf("no effect: %+v", l)
	}
	doubted := &effects{window: window, mean: make([]float64, layers), doubts: doubt.Tally{doubt.NoFact: 1, doubt.PartOfWord: 1}}
	doubted.add(run(6, 0.9, 0.1, 0.6))
	if w := doubted.located().Warnings; len(w) != 1 || !strings.Contains(w[0], "in the trace for the layer, 1 of 1 fact: the token that was traced") {
		t.Errorf("no fact: %q", w)
	}
	for layers, want := range map[int]int{1: 1, 3: 1, 12: 4, 30: 10, 48: 10} {
		if got := windowOf(layers); got != want {
			t.Errorf("%d layers: a window of %d", layers, got)
		}
	}
}
