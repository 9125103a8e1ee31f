package report

import "math"

// scale maps a value to a shade. All panels of a view share it.
type scale struct {
	floor, top float64
	symmetric  bool // the corrupted value is in the middle
}

// scaleOf starts at the corrupted value and ends at the clean one, or at the
// largest value where that is larger. A symmetric scale reaches as far down.
func (v view) scaleOf(symmetric bool) scale {
	least, most := v.extent()
	s := scale{v.measure.base, v.measure.clean, symmetric}
	if !finite(s.floor) {
		s.floor = least
	}
	if !finite(s.top) || s.top < most {
		s.top = most
	}
	if symmetric {
		reach := math.Max(math.Abs(s.top-s.floor), math.Abs(least-s.floor))
		s.floor, s.top = s.floor-reach, s.floor+reach
	}
	s.top = math.Max(s.top, s.floor)
	return s
}

// extent is the range of all finite values; 0 and 0 without one.
func (v view) extent() (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	add := func(values []float64) {
		for _, x := range values {
			if finite(x) {
				least, most = math.Min(least, x), math.Max(most, x)
			}
		}
	}
	for _, g := range v.grids {
		for _, row := range g.Values {
			add(row)
		}
	}
	for _, r := range v.runs {
		add(r.values)
	}
	if least > most {
		return 0, 0
	}
	return least, most
}

// most is the largest value.
func (v view) most() float64 {
	_, most := v.extent()
	return most
}

// shade is where a value lies, from 0 at the floor to 1 at the top. Where the
// two coincide nothing stands out: all is at the corrupted value. NaN stays NaN.
func (s scale) shade(v float64) float64 {
	switch {
	case !finite(v):
		return math.NaN()
	case s.top <= s.floor && s.symmetric:
		return 0.5
	case s.top <= s.floor:
		return 0
	}
	return math.Min(1, math.Max(0, (v-s.floor)/(s.top-s.floor)))
}

// at is the value of a shade.
func (s scale) at(shade float64) float64 { return s.floor + (s.top-s.floor)*shade }

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

// trough is the position of the smallest finite value; -1 without one.
func trough(values []float64) int {
	least := -1
	for i, v := range values {
		if finite(v) && (least < 0 || v < values[least]) {
			least = i
		}
	}
	return least
}

// cell is a place in a grid.
type cell struct{ row, layer int }

// best is the place of the largest value in rows [begin, end).
func (g heatMap) best(begin, end int) (c cell, ok bool) {
	for i := begin; i < end; i++ {
		j := peak(g.Values[i])
		if j >= 0 && (!ok || g.Values[i][j] > g.Values[c.row][c.layer]) {
			c, ok = cell{i, j}, true
		}
	}
	return c, ok
}

// strongest are the strongest cell of a panel and, where it is another, the
// strongest of the subject: the last token's state in late layers is the answer
// itself, and says nothing of where the fact was found.
func (v view) strongest(g heatMap) []cell {
	all, ok := g.best(0, len(g.Values))
	if !ok {
		return nil
	}
	own, ok := g.best(v.begin, v.end)
	if !ok || own == all {
		return []cell{all}
	}
	return []cell{all, own}
}
