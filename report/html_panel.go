package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// panelDoc is a heat map of a page.
type panelDoc struct {
	Title, Class, Width, Label, Of, Axis string
	Part                                 string // of the data: "trace" or "average"
	Measure, Index                       int
	Layers                               []layerDoc
	Rows                                 []rowDoc
	Bar, Ramp, Top, Middle, Floor        string // colour bar
	Strongest                            []string
}

type layerDoc struct {
	Layer int
	Tick  bool
}

type rowDoc struct {
	Label, Full string // Full where the label is cut
	Star        bool
	Cells       []cellDoc
	Texts       []string
}

type cellDoc struct{ Class, Text string }

// of names the rows.
func (v view) of() string {
	if v.tokens {
		return "token"
	}
	return "tokens"
}

// panel is one grid of a view.
func (s *sheet) panel(v view, part string, measure, index int) panelDoc {
	g := v.grids[index]
	d := panelDoc{
		Title: g.Title, Class: g.Kind.String(), Label: v.describeGrid(g), Of: v.of(), Axis: g.Axis,
		Part: part, Measure: measure, Index: index,
		Bar: cut(v.measure.bar, 24), Ramp: s.ramp(g.Kind, v.scale.symmetric), Strongest: sentences(v.strongestLines(g)),
		Top: number(v.scale.at(1)), Middle: number(v.scale.at(0.5)), Floor: number(v.scale.at(0)),
	}
	width := min(26, max(5, 216/g.layers()))
	d.Width = s.width(width)
	if !v.tokens {
		d.Width += " named"
	}
	every := step(26 / float64(width))
	for j := range g.layers() {
		d.Layers = append(d.Layers, layerDoc{j, j%every == 0})
	}
	s.picture.v = v
	best := v.strongest(g)
	for i, values := range g.Values {
		row := v.rowDoc(i)
		for j, value := range values {
			class := s.picture.fill(g.Kind, value)
			if class == "rt-none" {
				class = "none"
			}
			if slices.Contains(best, cell{i, j}) {
				class += " best"
			}
			row.Cells = append(row.Cells, cellDoc{class, number(value)})
		}
		d.Rows = append(d.Rows, row)
	}
	return d
}

// rowDoc heads a row.
func (v view) rowDoc(i int) rowDoc {
	full := label(v.rows[i])
	row := rowDoc{Label: cut(full, 32), Star: v.subject(i)}
	if row.Label != full {
		row.Full = full
	}
	return row
}

// sentences begin with a capital letter.
func sentences(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.ToUpper(l[:1]) + l[1:]
	}
	return out
}

// width is the class for cells of a width.
func (s *sheet) width(w int) string {
	if s.widths == nil {
		s.widths = map[int]bool{}
	}
	s.widths[w] = true
	return fmt.Sprintf("w%d", w)
}

// ramp is the class for a colour bar of a kind.
func (s *sheet) ramp(k Kind, symmetric bool) string {
	name := "ramp-" + scale{symmetric: symmetric}.class(k, 0)
	if s.ramps == nil {
		s.ramps = map[string]string{}
	}
	var lightStops, bothStops []string
	for i := range 17 {
		shade := float64(i) / 16
		a, b := lightTheme.at(k, shade, symmetric).hex(), darkTheme.at(k, shade, symmetric).hex()
		lightStops = append(lightStops, a)
		bothStops = append(bothStops, "light-dark("+a+","+b+")")
	}
	gradient := func(stops []string) string {
		return "background:linear-gradient(to top," + strings.Join(stops, ",") + ")"
	}
	s.ramps[name] = "." + name + "{" + gradient(lightStops) + ";" + gradient(bothStops) + "}\n"
	return name
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
