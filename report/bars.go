package report

import (
	"fmt"
	"math"
	"strings"
)

var eighths = []rune(" ▁▂▃▄▅▆▇█")

// severed writes one row of bars for each series.
func (c *canvas) severed() {
	c.WriteString("\n")
	c.line("Severed runs: restoring the state of the subject's last token")
	runs := c.t.Severed.runs()
	n := 0
	for _, r := range runs {
		n = max(n, len(r.name))
	}
	c.label = min(n, c.width/2) + 2
	lay := layoutOf(c.t.Severed.layers(), c.room())
	for _, r := range runs {
		c.WriteString(pad(cut(r.name, c.label-2), c.label-2) + "  ")
		c.bars(r.kind, lay.merged(r.values), lay.cell)
	}
	c.ruler(lay)
	c.line(fmt.Sprintf("single restored layer%s; bars from %s to %s", lay.note(), number(c.s.floor), number(c.s.top)))
	for _, r := range runs {
		c.line(c.t.peakLine(r))
	}
}

func (c *canvas) bars(k Kind, values []float64, width int) {
	if c.colour == NoColour {
		c.row(k, values, width)
		return
	}
	c.WriteString(c.ink(k))
	for _, v := range values {
		one := "?"
		if shade := c.s.shade(v); !math.IsNaN(shade) {
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

// peakLine names the strongest layer of a series.
func (t Trace) peakLine(r run) string {
	i := peak(r.values)
	if i < 0 {
		return r.name + ": no value is finite"
	}
	return fmt.Sprintf("%s: largest at layer %d, %s", r.name, i, t.effect(r.values[i]))
}
