package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteSectionTerminal writes a section as text of the given width: each series
// as a row of bars, and the table in columns, or a line a field where the
// columns do not fit.
func WriteSectionTerminal(w io.Writer, s Section, o TerminalOptions) error {
	if err := s.check(); err != nil {
		return err
	}
	c := newCanvas(s.view(), o)
	c.line(visible(s.Title))
	for _, text := range s.Text {
		c.line(visible(text))
	}
	if len(s.Series) > 0 {
		c.series(s)
	}
	if s.Table != nil {
		c.WriteString("\n")
		c.table(visibleTable(*s.Table))
	}
	_, err := io.WriteString(w, c.String())
	return err
}

// view holds the scale and the measure of a section's series.
func (s Section) view() view {
	v := view{about: visible(s.Title), title: visible(s.Title), measure: measure{bar: s.name(), word: s.name(), alone: true}}
	for _, l := range s.Series {
		v.runs = append(v.runs, run{name: visible(l.Name), values: l.Values, half: l.Half})
	}
	least, most := v.extent()
	v.measure.base, v.measure.clean = least, most
	v.scale = v.scaleOf(false)
	return v
}

func (s Section) name() string {
	if s.Name == "" {
		return "p(answer)"
	}
	return visible(s.Name)
}

func (s Section) axis() string {
	if s.Axis == "" {
		return "layer"
	}
	return visible(s.Axis)
}

// series writes a row of bars for each series.
func (c *canvas) series(s Section) {
	c.WriteString("\n")
	layers := 0
	for _, r := range c.v.runs {
		c.label = max(c.label, columns(r.name)+2)
		layers = max(layers, len(r.values))
	}
	c.label = min(c.label, c.width/2)
	lay := layoutOf(layers, c.room())
	for _, r := range c.v.runs {
		c.WriteString(pad(cut(r.name, c.label-2), c.label-2) + "  ")
		c.bars("", lay.merged(r.values), lay.cell)
	}
	c.ruler(lay)
	c.line(fmt.Sprintf("%s%s; %s from %s to %s", s.axis(), lay.note(), s.name(), number(c.v.scale.floor), number(c.v.scale.top)))
	for _, r := range c.v.runs {
		c.line(c.v.peakLine(r))
	}
}

// table writes columns, two blanks between them.
func (c *canvas) table(t Table) {
	if len(t.Columns) == 0 {
		return
	}
	widths := make([]int, len(t.Columns))
	all := append([][]string{t.Columns}, t.Rows...)
	total := 2 * (len(widths) - 1)
	for j := range widths {
		for _, row := range all {
			widths[j] = max(widths[j], columns(row[j]))
		}
		total += widths[j]
	}
	if !shrink(widths, total-c.width) {
		c.fields(t)
		return
	}
	for _, row := range all {
		line := ""
		for j, s := range row {
			s = cut(s, widths[j])
			line += s + strings.Repeat(" ", widths[j]-columns(s)+2)
		}
		c.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// leastColumn is the width below which a column is not worth reading.
const leastColumn = 8

// shrink takes so many characters from the widest columns, and says whether
// that was possible.
func shrink(widths []int, excess int) bool {
	for ; excess > 0; excess-- {
		widest := slices.Index(widths, slices.Max(widths))
		if widths[widest] <= leastColumn {
			return false
		}
		widths[widest]--
	}
	return true
}

// fields writes a line for each field of a table.
func (c *canvas) fields(t Table) {
	for i, row := range t.Rows {
		if i > 0 {
			c.WriteString("\n")
		}
		for j, s := range row {
			c.line(t.Columns[j] + ": " + s)
		}
	}
}

// visibleTable is a table whose text shows as it is.
func visibleTable(t Table) Table {
	out := Table{Columns: visibleAll(t.Columns)}
	for _, row := range t.Rows {
		out.Rows = append(out.Rows, visibleAll(row))
	}
	return out
}

func visibleAll(s []string) []string {
	out := make([]string, len(s))
	for i := range s {
		out[i] = visible(s[i])
	}
	return out
}
