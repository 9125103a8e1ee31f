package report

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"retcon/trace/result"
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

// canvas writes lines of a view for one terminal.
type canvas struct {
	strings.Builder
	v      view
	width  int
	colour Colour
	label  int // columns of the row labels, the star and a space included
}

// WriteTerminal writes a trace as text of the given width: one heat map a grid
// and one row of bars a series of severed runs, each with its numbers, and the
// same for the logit difference after a blank line.
func WriteTerminal(w io.Writer, t *result.Trace, o TerminalOptions) error {
	if err := checkTrace(t); err != nil {
		return err
	}
	for i, r := range readings(t) {
		v := r.coloured()
		if o.Colour == NoColour { // shades of text have no middle
			v = r.view(false)
		}
		c := newCanvas(v, o)
		if i > 0 {
			c.WriteString("\n")
		}
		c.all("Severed runs: restoring the state of the subject's last token")
		if _, err := io.WriteString(w, c.String()); err != nil {
			return err
		}
	}
	return nil
}

// WriteAverageTerminal writes an average as text, as WriteTerminal does a trace.
func WriteAverageTerminal(w io.Writer, a Average, o TerminalOptions) error {
	if err := a.check(); err != nil {
		return err
	}
	c := newCanvas(a.view(), o)
	c.all("Severed runs: mean effect of the state of the subject's last token")
	if a.Suggestion != "" {
		c.WriteString("\n")
		c.line(visible(a.Suggestion))
	}
	_, err := io.WriteString(w, c.String())
	return err
}

func newCanvas(v view, o TerminalOptions) *canvas {
	if o.Width <= 0 {
		o.Width = 80
	}
	c := &canvas{v: v, width: max(o.Width, minWidth), colour: o.Colour}
	c.label = c.labelWidth()
	return c
}

// all writes the whole view.
func (c *canvas) all(severed string) {
	c.line(c.v.title)
	c.line(c.v.head())
	for _, g := range c.v.grids {
		c.grid(g)
	}
	if len(c.v.runs) > 0 {
		c.severed(severed)
	}
}

// labelWidth leaves at least two thirds of a line to the cells.
func (c *canvas) labelWidth() int {
	n := 0
	for _, row := range c.v.rows {
		n = max(n, columns(label(row)))
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

func (c *canvas) grid(g heatMap) {
	c.WriteString("\n")
	c.line(g.Title)
	lay := layoutOf(g.layers(), c.room())
	marks := c.v.strongest(g)
	for i, row := range g.Values {
		c.WriteString(c.rowLabel(i))
		var marked []int
		for _, m := range marks {
			if m.row == i {
				marked = append(marked, m.layer/lay.merge)
			}
		}
		c.row(g.Kind, lay.merged(row), lay.cell, marked...)
	}
	c.ruler(lay)
	c.line(g.Axis + lay.note())
	c.legend(g.Kind)
	for _, l := range c.v.strongestLines(g) {
		c.line(l)
	}
}

func (c *canvas) rowLabel(i int) string {
	mark := " "
	if c.v.subject(i) {
		mark = "*"
	}
	return pad(cut(label(c.v.rows[i]), c.label-2), c.label-2) + mark + " "
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
		shade := c.v.scale.shade(v)
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
		i, dark := c.indexed(k, shade)
		ink := xtermBlack
		if dark {
			ink = xtermWhite
		}
		return fmt.Sprintf("\x1b[48;5;%d;38;5;%dm", i, ink)
	}
	g, ink := lightTheme.at(k, shade, c.v.scale.symmetric), 0
	if g.luma() < 128 {
		ink = 255
	}
	return fmt.Sprintf("\x1b[48;2;%d;%d;%d;38;2;%d;%d;%dm", g.r, g.g, g.b, ink, ink, ink)
}

// indexed is the colour of a shade in the palette of 256.
func (c *canvas) indexed(k Kind, shade float64) (colour int, dark bool) {
	colours := xterm[k]
	if c.v.scale.symmetric {
		if shade < 0.5 {
			colours = xtermBelow[k]
		}
		shade = math.Abs(2*shade - 1)
	}
	i := level(shade, len(colours))
	return colours[i], i > len(colours)/2
}

func (c *canvas) reset() {
	if c.colour != NoColour {
		c.WriteString("\x1b[0m")
	}
}

// legend is the colour bar with its two ends in numbers: words alone where the
// line has no room for it.
func (c *canvas) legend(k Kind) {
	floor, top := c.v.legendName()+" "+number(c.v.scale.floor), number(c.v.scale.top)
	steps := min(len(plain), c.width-len(floor)-len(top)-4)
	if steps < 3 {
		c.line(floor + " to " + top)
		return
	}
	bar := make([]float64, steps)
	for i := range bar {
		bar[i] = c.v.scale.at(float64(i) / float64(steps-1))
	}
	c.WriteString(floor + " [")
	c.cells(k, bar, 1)
	c.WriteString("] " + top + "\n")
}

// legendName is the colour bar's title with the answer unnamed.
func (v view) legendName() string {
	if v.measure.word == "p" {
		return "p(answer)"
	}
	return v.measure.bar
}
