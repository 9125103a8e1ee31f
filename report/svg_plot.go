package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	chartHeight = 160
	barShade    = 0.62
	axisWidth   = 52 // room for the numbers of the values
	plotTitle   = 44
	plotHeight  = plotTitle + chartHeight + 56
)

// chart is where a plot stands.
type chart struct {
	x, y, w   int
	group     int     // width of a layer
	low, high float64 // values at its foot and its top
	base      float64
}

// plots draws plots below all else, side by side where they fit. Plots of the
// same series share one key.
func (p *picture) plots(plots ...plot) {
	x := margin
	for i, n := range plots {
		width := axisWidth + n.group()*n.layers()
		if i > 0 && x+width > maxLine {
			x, p.y = margin, p.y+plotHeight
		}
		title := cut(n.title, max(48, (maxLine-x)/boldWidth))
		p.text(x, p.y+14, "rt-p", "start", title)
		c := p.chart(n, x, p.y+plotTitle)
		p.text(c.x, c.y+chartHeight+32, "rt-t", "start", n.axis)
		width = max(width, columns(title)*boldWidth, axisWidth+columns(n.axis)*charWidth)
		p.right = max(p.right, x+width)
		x += width + 2*margin
	}
	p.y += plotHeight
	for _, s := range plots[0].series {
		p.key(plots[0], s, margin+axisWidth, p.y)
		p.y += keyHeight
	}
	p.y += margin
}

// chart draws axes and values of a plot, its corner at x, y.
func (p *picture) chart(n plot, x, y int) chart {
	layers, group := n.layers(), n.group()
	low, high := n.extent()
	c := chart{x + axisWidth, y, group * layers, group, low, high, n.base}
	p.text(x, y-8, "rt-n", "start", n.value)
	for _, v := range numbersIn(low, high) {
		p.printf("<path class=\"rt-grid\" d=\"M%d %sh%d\"/>\n", c.x, c.at(v), c.w)
		p.text(c.x-6, int(c.height(v))+4, "rt-n", "end", tick(v))
	}
	for i, s := range n.series {
		p.openSeries(s)
		if n.bars {
			p.bars(c, n, s, i)
		} else {
			p.curve(c, n, s)
		}
		p.printf("</g>\n")
	}
	if low <= c.base && c.base <= high {
		p.printf("<path class=\"rt-frame\" d=\"M%d %sh%d\"/>\n", c.x, c.at(c.base), c.w)
	}
	p.layerNumbers(c.x, c.y+chartHeight, group, layers)
	return c
}

// openSeries opens the group of one series.
func (p *picture) openSeries(s series) {
	if p.page {
		p.printf("<g role=\"row\" aria-label=\"%s\">\n", escape(s.name))
		return
	}
	p.printf("<g>\n")
}

// at is the height of a value.
func (c chart) at(v float64) string { return pixel(c.height(v)) }

func (c chart) height(v float64) float64 {
	return float64(c.y) + chartHeight*(c.high-v)/(c.high-c.low)
}

func pixel(v float64) string {
	s := fmt.Sprintf("%.2f", v)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// tick is a number on an axis: the fewest digits that say it.
func tick(v float64) string {
	if math.Abs(v) < 1e-12 && v != 0 {
		return fmt.Sprintf("%.0e", v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// middle is where a layer stands.
func (c chart) middle(layer int) float64 {
	return float64(c.x) + (float64(layer)+0.5)*float64(c.group)
}

// bars draws one series, the i-th in each group.
func (p *picture) bars(c chart, n plot, s series, i int) {
	width := float64(c.group) * 0.84 / float64(len(n.series))
	for layer, v := range s.values {
		if !finite(v) {
			continue
		}
		x := float64(c.x+layer*c.group) + float64(c.group)*0.08 + float64(i)*width
		top, foot := c.height(math.Max(v, c.base)), c.height(math.Min(v, c.base))
		p.mark("rect", fmt.Sprintf("class=\"rt-cell rt-%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"",
			s.class, pixel(x), pixel(top), pixel(width), pixel(math.Max(foot-top, 0.75))), layer, n.say(s, layer))
		if low, high := s.ends(layer); high > low {
			p.printf("<path class=\"rt-whisker\" d=\"M%s %sV%s\"/>\n", pixel(x+width/2), c.at(low), c.at(high))
		}
	}
}

// mark is a shape that stands for a value. In a page it is a cell of a grid.
func (p *picture) mark(element, attributes string, layer int, says string) {
	role := ""
	if p.page {
		role = fmt.Sprintf(" role=\"gridcell\" data-layer=\"%d\"", layer)
	}
	p.printf("<%s %s%s><title>%s</title></%s>\n", element, attributes, role, escape(says), element)
}

// curve draws a band, a line and its points; a value that is missing leaves a
// gap.
func (p *picture) curve(c chart, n plot, s series) {
	p.lined = true
	for _, part := range s.parts() {
		if s.half != nil {
			p.printf("<path class=\"rt-band rt-f%s\" d=\"%s\"/>\n", s.class, c.band(s, part))
		}
		p.printf("<path class=\"rt-line rt-l%s%s\" stroke-dasharray=\"%s\" d=\"%s\"/>\n", s.class, strong(s), s.dash, c.path(s, part))
	}
	for layer, v := range s.values {
		if finite(v) {
			p.mark("circle", fmt.Sprintf("class=\"rt-cell rt-f%s\" cx=\"%s\" cy=\"%s\" r=\"%s\"", s.class, pixel(c.middle(layer)), c.at(v), radius(s)), layer, n.say(s, layer))
		}
	}
}

func strong(s series) string {
	if s.strong {
		return " rt-strong"
	}
	return ""
}

func radius(s series) string {
	if s.strong {
		return "3"
	}
	return "2.25"
}

// parts are the stretches of layers [begin, end) without a gap.
func (s series) parts() [][2]int {
	var out [][2]int
	begin := -1
	for i := 0; i <= len(s.values); i++ {
		there := i < len(s.values) && finite(s.values[i])
		switch {
		case there && begin < 0:
			begin = i
		case !there && begin >= 0:
			out = append(out, [2]int{begin, i})
			begin = -1
		}
	}
	return out
}

func (c chart) path(s series, part [2]int) string {
	var b strings.Builder
	for i := part[0]; i < part[1]; i++ {
		fmt.Fprintf(&b, "%s%s %s", pen(i == part[0]), pixel(c.middle(i)), c.at(s.values[i]))
	}
	return b.String()
}

// band goes along the upper ends of the intervals and back along the lower.
func (c chart) band(s series, part [2]int) string {
	var b strings.Builder
	for i := part[0]; i < part[1]; i++ {
		_, high := s.ends(i)
		fmt.Fprintf(&b, "%s%s %s", pen(i == part[0]), pixel(c.middle(i)), c.at(high))
	}
	for i := part[1] - 1; i >= part[0]; i-- {
		low, _ := s.ends(i)
		fmt.Fprintf(&b, "L%s %s", pixel(c.middle(i)), c.at(low))
	}
	return b.String() + "Z"
}

// pen moves to the first point of a path and draws to the others.
func pen(first bool) string {
	if first {
		return "M"
	}
	return "L"
}

// key names a series beside a sample of it.
func (p *picture) key(n plot, s series, x, y int) {
	p.sample(n, s, x, y-4)
	text := s.name
	if s.note != "" {
		text += ": " + s.note
	}
	p.text(x+34, y, "rt-m", "start", text)
	p.right = max(p.right, x+34+columns(text)*charWidth)
}

// sample is a short piece of a line, or a square of a bar's colour.
func (p *picture) sample(n plot, s series, x, y int) {
	if n.bars {
		p.printf("<rect class=\"rt-%s\" x=\"%d\" y=\"%d\" width=\"10\" height=\"10\"/>\n", s.class, x+8, y-5)
		return
	}
	p.printf("<path class=\"rt-line rt-l%s%s\" stroke-dasharray=\"%s\" d=\"M%d %dh26\"/>\n", s.class, strong(s), s.dash, x, y)
	p.printf("<circle class=\"rt-f%s\" cx=\"%d\" cy=\"%d\" r=\"%s\"/>\n", s.class, x+13, y, radius(s))
}
