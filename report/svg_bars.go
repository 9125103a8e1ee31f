package report

import (
	"fmt"
	"math"
	"strings"
)

const (
	chartHeight = 160
	barShade    = 0.62
)

// chart is where the bars of severed runs stand.
type chart struct {
	x, y, w   int
	low, high float64 // probabilities at its foot and its top
	base      float64 // the corrupted run's: bars start here
}

// severed draws grouped bars, and returns where they end on the right.
func (p *picture) severed(y int) (right int) {
	s := p.t.Severed
	runs := s.runs()
	group := min(48, max(4, 900/s.layers()))
	c := p.chart(margin+48, y+titleRoom, group*s.layers())
	p.text(margin, y+14, "rt-p", "start", "Severed runs: the subject's last token restored at one layer")
	p.levels(c)
	for i, r := range runs {
		p.bars(c, r, group, i, len(runs))
	}
	p.printf("<path class=\"rt-frame\" d=\"M%d %sh%d\"/>\n", c.x, c.at(c.base), c.w)
	p.ticks(c.x, c.y+chartHeight, group, s.layers())
	p.text(c.x, c.y+chartHeight+32, "rt-t", "start", "single restored layer; bars start at the corrupted run's "+number(c.base))
	return max(c.x+c.w, p.keys(runs, c.x, c.y+chartHeight+50))
}

// chart spans the corrupted and the clean probability, and all values.
func (p *picture) chart(x, y, w int) chart {
	c := chart{x, y, w, p.s.floor, p.s.floor, p.s.floor}
	if finite(p.t.Clean) {
		c.high = math.Max(c.high, p.t.Clean)
	}
	for _, r := range p.t.Severed.runs() {
		for _, v := range r.values {
			if finite(v) {
				c.low, c.high = math.Min(c.low, v), math.Max(c.high, v)
			}
		}
	}
	if c.high <= c.low {
		c.high = c.low + 1
	}
	return c
}

// at is the height of a probability.
func (c chart) at(v float64) string { return pixel(c.height(v)) }

func (c chart) height(v float64) float64 {
	return float64(c.y) + chartHeight*(c.high-v)/(c.high-c.low)
}

func pixel(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// levels draws the axis: foot, middle and top, each with its number.
func (p *picture) levels(c chart) {
	for _, v := range []float64{c.low, (c.low + c.high) / 2, c.high} {
		p.printf("<path class=\"rt-grid\" d=\"M%d %sh%d\"/>\n", c.x, c.at(v), c.w)
		p.text(c.x-6, int(c.height(v))+4, "rt-n", "end", number(v))
	}
}

// bars draws one series, the i-th of n in each group.
func (p *picture) bars(c chart, r run, group, i, n int) {
	width := float64(group) * 0.84 / float64(n)
	for layer, v := range r.values {
		if !finite(v) {
			continue
		}
		x := float64(c.x+layer*group) + float64(group)*0.08 + float64(i)*width
		top, foot := c.height(math.Max(v, c.base)), c.height(math.Min(v, c.base))
		p.printf("<rect class=\"rt-cell rt-%sbar\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"><title>%s</title></rect>\n",
			r.kind.String()[:1], pixel(x), pixel(top), pixel(width), pixel(foot-top),
			escape(fmt.Sprintf("%s, layer %d, %s", r.name, layer, p.t.effect(v))))
	}
}

// keys names the series and their largest values.
func (p *picture) keys(runs []run, x, y int) int {
	for _, r := range runs {
		text := p.t.peakLine(r)
		p.printf("<rect class=\"rt-%sbar\" x=\"%d\" y=\"%d\" width=\"10\" height=\"10\"/>\n", r.kind.String()[:1], x, y-9)
		p.text(x+15, y, "rt-m", "start", text)
		x += 15 + columns(text)*charWidth + 20
	}
	return x
}
