package report

import (
	"fmt"
	"math"
	"strings"
)

var eighths = []rune(" ▁▂▃▄▅▆▇█")

// severed writes one row of bars for each series.
func (c *canvas) severed(title string) {
	c.WriteString("\n")
	c.line(title)
	runs := c.v.runs
	n := 0
	for _, r := range runs {
		n = max(n, len(r.name))
	}
	c.label = min(n, c.width/2) + 2
	lay := layoutOf(c.v.layers(), c.room())
	for _, r := range runs {
		c.WriteString(pad(cut(r.name, c.label-2), c.label-2) + "  ")
		c.bars(c.ink(r.kind), lay.merged(r.values), lay.cell)
	}
	c.ruler(lay)
	c.line(fmt.Sprintf("single restored layer%s; bars from %s to %s", lay.note(), number(c.v.scale.floor), number(c.v.scale.top)))
	for _, r := range runs {
		c.line(c.v.peakLine(r))
	}
}

// bars writes one series: on plain text as a row of shades.
func (c *canvas) bars(ink string, values []float64, width int) {
	if c.colour == NoColour {
		c.row(Hidden, values, width)
		return
	}
	c.WriteString(ink)
	for _, v := range values {
		one := "?"
		if shade := c.v.scale.shade(v); !math.IsNaN(shade) {
			one = string(eighths[level(shade, len(eighths))])
		}
		gap := min(1, width-1)
		c.WriteString(strings.Repeat(one, width-gap) + strings.Repeat(" ", gap))
	}
	c.reset()
	c.WriteString("\n")
}

// ink is the escape sequence for a series: of middling lightness, to show on any
// ground.
func (c *canvas) ink(k Kind) string {
	if c.colour == Colour256 {
		return fmt.Sprintf("\x1b[38;5;%dm", xterm[k][4])
	}
	v := light[k].at(barShade)
	return fmt.Sprintf("\x1b[38;2;%d;%d;%dm", v.r, v.g, v.b)
}
