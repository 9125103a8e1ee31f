package report

import (
	"fmt"
	"math"
)

// series is a line or a set of bars in a plot.
type series struct {
	name   string
	note   string // after the name, in the key
	class  string // of the colour: "l2" is a line's, "hbar" a kind's bars
	strong bool
	dash   string
	values []float64
	half   []float64
}

// plot is values over layers.
type plot struct {
	title, axis string
	value       string // what the values are
	bars        bool   // else lines
	series      []series
	base, reach float64 // the axis holds both; bars start at base
	say         func(s series, layer int) string
}

const (
	severedTitle     = "Severed runs: the subject's last token restored at one layer"
	severedMeanTitle = "Severed runs: mean effect of the subject's last token restored at one layer"
)

// bars are the severed runs.
func (v view) bars(title string) plot {
	n := plot{title: title, axis: "single restored layer", value: v.measure.bar, bars: true, base: v.measure.base, reach: v.measure.clean}
	if !finite(n.base) {
		n.base = v.scale.floor
	}
	if !v.measure.effect {
		n.axis += "; bars start at the corrupted run's " + number(n.base)
	}
	for _, r := range v.runs {
		n.series = append(n.series, series{name: r.name, note: v.peakNote(r), class: r.kind.letter() + "bar", values: r.values, half: r.half})
	}
	n.say = func(s series, layer int) string {
		return fmt.Sprintf("%s, layer %d, %s", s.name, layer, v.measure.say(s.values[layer], s.halfAt(layer)))
	}
	return n
}

// lines are the rows of a grid over the layers.
func (v view) lines(g heatMap) plot {
	n := plot{title: g.Title + ", by row", axis: g.Axis, value: v.measure.bar}
	for i, row := range g.Values {
		s := series{
			name: v.rows[i] + star(v.subject(i)), class: fmt.Sprintf("%d", i%len(lineInks)), strong: i == v.end-1,
			dash: dashes[i%len(dashes)], values: row,
		}
		if v.counts != nil {
			s.note = fmt.Sprintf("%d %s", v.counts[i], plural(v.counts[i], "fact"))
		}
		if g.half != nil {
			s.half = g.half[i]
		}
		n.series = append(n.series, s)
	}
	n.say = func(s series, layer int) string {
		return fmt.Sprintf("%s, layer %d, %s", s.name, layer, v.measure.say(s.values[layer], s.halfAt(layer)))
	}
	return n
}

// plot is a section's series over the layers.
func (s Section) plot() plot {
	v := s.view()
	n := plot{title: v.title, axis: s.axis(), value: s.name(), base: math.NaN(), reach: math.NaN()}
	for i, r := range v.runs {
		n.series = append(n.series, series{name: r.name, note: v.peakNote(r), class: fmt.Sprintf("%d", i%len(lineInks)), dash: dashes[i%len(dashes)], values: r.values, half: r.half})
	}
	n.say = func(s series, layer int) string {
		return fmt.Sprintf("%s, layer %d, %s", s.name, layer, v.measure.say(s.values[layer], s.halfAt(layer)))
	}
	return n
}

func (s series) halfAt(i int) float64 {
	if s.half == nil {
		return 0
	}
	return s.half[i]
}

// ends are the ends of the interval at a layer.
func (s series) ends(i int) (low, high float64) {
	h := s.halfAt(i)
	if !finite(h) {
		h = 0
	}
	return s.values[i] - h, s.values[i] + h
}

func (n plot) layers() int {
	most := 0
	for _, s := range n.series {
		most = max(most, len(s.values))
	}
	return most
}

// extent holds all values with their intervals, the base and the reach.
func (n plot) extent() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	add := func(v float64) {
		if finite(v) {
			low, high = math.Min(low, v), math.Max(high, v)
		}
	}
	add(n.base)
	add(n.reach)
	for _, s := range n.series {
		for i := range s.values {
			a, b := s.ends(i)
			add(a)
			add(b)
		}
	}
	switch {
	case low > high:
		return 0, 1
	case low == high:
		return low, low + 1
	}
	return low, high
}

// numbersIn are round numbers, three to seven, from low to high.
func numbersIn(low, high float64) []float64 {
	size := roundUp((high - low) / 5)
	first, last := math.Ceil(low/size), math.Floor(high/size)
	if !finite(first) || !finite(last) || last-first < 1 || last-first > 9 || low+size == low {
		return []float64{low, high} // too close to each other for round numbers
	}
	var out []float64
	for k := first; k <= last; k++ {
		out = append(out, k*size+0) // never -0
	}
	return out
}

// roundUp is the least of 1, 2, 2.5 and 5 times a power of ten not below v.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// group is the width of a layer in pixels.
func (n plot) group() int {
	if n.bars {
		return min(42, max(6, 720/n.layers()))
	}
	return min(28, max(8, 360/n.layers()))
}
