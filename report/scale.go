package report

import (
	"fmt"
	"math"
)

// scale maps a probability to a shade. All panels of a trace share it.
type scale struct{ floor, top float64 }

// scaleOf starts at the corrupted probability and ends at the clean one, or at
// the largest value where that is larger.
func scaleOf(t Trace) scale {
	least, most := t.extent()
	s := scale{t.Corrupted, t.Clean}
	if !finite(s.floor) {
		s.floor = least
	}
	if !finite(s.top) || s.top < most {
		s.top = most
	}
	s.top = math.Max(s.top, s.floor)
	return s
}

// extent is the range of all finite values; 0 and 0 without one.
func (t Trace) extent() (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	add := func(values []float64) {
		for _, v := range values {
			if finite(v) {
				least, most = math.Min(least, v), math.Max(most, v)
			}
		}
	}
	for _, g := range t.Grids {
		for _, row := range g.Values {
			add(row)
		}
	}
	if t.Severed != nil {
		for _, r := range t.Severed.runs() {
			add(r.values)
		}
	}
	if least > most {
		return 0, 0
	}
	return least, most
}

// shade is where a value lies, from 0 at the floor to 1 at the top. Where the
// two coincide nothing stands out and all is 0. NaN stays NaN.
func (s scale) shade(v float64) float64 {
	switch {
	case !finite(v):
		return math.NaN()
	case s.top <= s.floor:
		return 0
	}
	return math.Min(1, math.Max(0, (v-s.floor)/(s.top-s.floor)))
}

// level is the shade in n steps, -1 for a value that is missing.
func level(shade float64, n int) int {
	if math.IsNaN(shade) {
		return -1
	}
	return min(n-1, int(math.Round(shade*float64(n-1))))
}

// peak is the position of the largest finite value, the first of equals; -1
// without one.
func peak(values []float64) int {
	best := -1
	for i, v := range values {
		if finite(v) && (best < 0 || v > values[best]) {
			best = i
		}
	}
	return best
}

// cell is a place in a grid.
type cell struct{ token, layer int }

// best is the place of the largest value in rows [begin, end).
func (g Grid) best(begin, end int) (c cell, ok bool) {
	for i := begin; i < end; i++ {
		j := peak(g.Values[i])
		if j >= 0 && (!ok || g.Values[i][j] > g.Values[c.token][c.layer]) {
			c, ok = cell{i, j}, true
		}
	}
	return c, ok
}

// strongest are the strongest cell of a panel and, where it is another, the
// strongest of the subject: the last token's state in late layers is the answer
// itself, and says nothing of where the fact was found.
func (t Trace) strongest(g Grid) []cell {
	all, ok := g.best(0, len(g.Values))
	if !ok {
		return nil
	}
	own, ok := g.best(t.Begin, t.End)
	if !ok || own == all {
		return []cell{all}
	}
	return []cell{all, own}
}

// strongestLines name the strongest cells of a panel.
func (t Trace) strongestLines(g Grid) []string {
	var lines []string
	for i, c := range t.strongest(g) {
		where := [...]string{"strongest: ", "in the subject: "}[i]
		lines = append(lines, where+t.cell(g, c.token, c.layer))
	}
	if lines == nil {
		return []string{"strongest: none, no value is finite"}
	}
	return lines
}

// cell says all about one cell.
func (t Trace) cell(g Grid, i, j int) string {
	return fmt.Sprintf("token %d %s%s, layer %d, %s", i, name(t.Tokens[i]), star(t.subject(i)), j, t.effect(g.Values[i][j]))
}

// effect is a probability beside what it exceeds the corrupted run by.
func (t Trace) effect(v float64) string {
	return fmt.Sprintf("p %s, effect %s", number(v), signed(v-t.Corrupted))
}

func star(yes bool) string {
	if yes {
		return "*"
	}
	return ""
}

// number prints a probability to three digits that matter.
func number(v float64) string {
	switch {
	case !finite(v):
		return "n/a"
	case v != 0 && math.Abs(v) < 0.001:
		return fmt.Sprintf("%.1e", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func signed(v float64) string {
	if s := number(v); !finite(v) || v < 0 {
		return s
	}
	return "+" + number(v)
}
