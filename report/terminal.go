package report

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// Colour is what a terminal can show.
type Colour int

// The colours of a terminal.
const (
	NoColour   Colour = iota // plain text
	Colour256                // xterm's palette
	TrueColour               // 24 bits
)

// TerminalOptions says how a trace is written as text.
type TerminalOptions struct {
	Width  int // in columns; 0 is 80
	Colour Colour
}

// Detect is what a writer can show: 80 columns of plain text where it is no
// terminal. NO_COLOR and TERM=dumb are honoured.
func Detect(w io.Writer) TerminalOptions {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return TerminalOptions{Width: 80}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return TerminalOptions{Width: width, Colour: colourOf(os.Getenv)}
}

func colourOf(env func(string) string) Colour {
	switch depth := env("COLORTERM"); {
	case env("NO_COLOR") != "" || env("TERM") == "dumb":
		return NoColour
	case depth == "truecolor" || depth == "24bit":
		return TrueColour
	}
	return Colour256
}

const (
	minWidth = 20
	plain    = " .:-=+*#%@"
)

// canvas writes lines of a trace for one terminal.
type canvas struct {
	strings.Builder
	t      Trace
	s      scale
	width  int
	colour Colour
	label  int // columns of the row labels, the star and a space included
}

// WriteTerminal writes a trace as text of the given width: one heat map a grid
// and one row of bars a series of severed runs, each with its numbers.
func WriteTerminal(w io.Writer, t Trace, o TerminalOptions) error {
	if err := t.check(); err != nil {
		return err
	}
	if o.Width <= 0 {
		o.Width = 80
	}
	c := &canvas{t: t, s: scaleOf(t), width: max(o.Width, minWidth), colour: o.Colour}
	c.label = c.labelWidth()
	c.line(quoted(t.Prompt))
	c.line(t.facts())
	for _, g := range t.Grids {
		c.grid(g)
	}
	if t.Severed != nil {
		c.severed()
	}
	_, err := io.WriteString(w, c.String())
	return err
}

// labelWidth leaves at least two thirds of a line to the cells.
func (c *canvas) labelWidth() int {
	n := 0
	for _, token := range c.t.Tokens {
		n = max(n, columns(label(token)))
	}
	return max(1, min(n, c.width/3-2)) + 2
}

// room is the columns that a line leaves to its cells.
func (c *canvas) room() int {
	if c.colour == NoColour {
		return c.width - c.label - 2
	}
	return c.width - c.label
}

// line writes text, wrapped.
func (c *canvas) line(s string) {
	for _, l := range wrap(s, c.width) {
		c.WriteString(l + "\n")
	}
}

func (c *canvas) grid(g Grid) {
	c.WriteString("\n")
	c.line(c.t.title(g))
	lay := layoutOf(g.layers(), c.room())
	marks := c.t.strongest(g)
	for i, row := range g.Values {
		c.WriteString(c.rowLabel(i))
		var marked []int
		for _, m := range marks {
			if m.token == i {
				marked = append(marked, m.layer/lay.merge)
			}
		}
		c.row(g.Kind, lay.merged(row), lay.cell, marked...)
	}
	c.ruler(lay)
	c.line(c.t.axis(g) + lay.note())
	c.legend(g.Kind)
	for _, l := range c.t.strongestLines(g) {
		c.line(l)
	}
}

func (c *canvas) rowLabel(i int) string {
	mark := " "
	if c.t.subject(i) {
		mark = "*"
	}
	return pad(cut(label(c.t.Tokens[i]), c.label-2), c.label-2) + mark + " "
}

// row ends a line with its cells: between bars where blanks would be lost.
func (c *canvas) row(k Kind, values []float64, width int, marked ...int) {
	edge := ""
	if c.colour == NoColour {
		edge = "|"
	}
	c.WriteString(edge)
	c.cells(k, values, width, marked...)
	c.WriteString(edge + "\n")
}

// cells writes cells; one that is marked bears a cross, since colour is never
// alone.
func (c *canvas) cells(k Kind, row []float64, width int, marked ...int) {
	for j, v := range row {
		shade := c.s.shade(v)
		text := strings.Repeat(" ", width)
		switch {
		case math.IsNaN(shade):
			c.reset()
			c.WriteString(strings.Repeat("?", width))
			continue
		case c.colour == NoColour:
			c.WriteString(strings.Repeat(string(plain[level(shade, len(plain))]), width))
			continue
		case slices.Contains(marked, j):
			text = strings.Repeat(" ", (width-1)/2) + "×" + strings.Repeat(" ", width/2)
		}
		c.WriteString(c.ground(k, shade) + text)
	}
	c.reset()
}

// ground is the escape sequence for a shade with legible text on it.
func (c *canvas) ground(k Kind, shade float64) string {
	if c.colour == Colour256 {
		i, ink := level(shade, len(xterm[k])), xtermBlack
		if i > len(xterm[k])/2 {
			ink = xtermWhite
		}
		return fmt.Sprintf("\x1b[48;5;%d;38;5;%dm", xterm[k][i], ink)
	}
	g, ink := light[k].at(shade), 0
	if g.luma() < 128 {
		ink = 255
	}
	return fmt.Sprintf("\x1b[48;2;%d;%d;%d;38;2;%d;%d;%dm", g.r, g.g, g.b, ink, ink, ink)
}

func (c *canvas) reset() {
	if c.colour != NoColour {
		c.WriteString("\x1b[0m")
	}
}

// legend is the colour bar with its two ends in numbers: words alone where the
// line has no room for it.
func (c *canvas) legend(k Kind) {
	floor, top := "p(answer) "+number(c.s.floor), number(c.s.top)
	steps := min(len(plain), c.width-len(floor)-len(top)-4)
	if steps < 3 {
		c.line(floor + " to " + top)
		return
	}
	bar := make([]float64, steps)
	for i := range bar {
		bar[i] = c.s.floor + (c.s.top-c.s.floor)*float64(i)/float64(steps-1)
	}
	c.WriteString(floor + " [")
	c.cells(k, bar, 1)
	c.WriteString("] " + top + "\n")
}
