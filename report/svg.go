package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"retcon/trace/result"
)

// Measures of a picture, in pixels.
const (
	margin    = 16
	rowHeight = 18
	charWidth = 7 // of text, at its size of 12
	boldWidth = 8
	barRoom   = 96 // colour bar, its numbers and the gap to the next panel
	maxLine   = 1440
	plotRoom  = 300 // the least width of a panel, and about what its cells fill
	headRoom  = 62  // title and facts
	titleRoom = 36
	axisRoom  = 76 // layer numbers, axis title and strongest cells
	keyHeight = 18
	shades    = 65 // odd, so that a symmetric scale has a middle
)

// picture writes SVG. Its classes begin with rt- so that it can stand inside a
// page; colours follow the reader's preference for light or dark.
type picture struct {
	strings.Builder
	v     view
	page  bool                        // part of a page, whose script reads roles
	used  [2][len(light)][shades]bool // the shades that the style must define, also of symmetric scales
	lined bool                        // there are lines to be coloured
	right int                         // where the drawing ends
	y     int                         // where the next part begins
}

// WriteSVG writes a trace as one picture without scripts: a heat map a grid,
// side by side where they fit, and grouped bars for severed runs. The logit
// difference is not in it.
func WriteSVG(w io.Writer, t *result.Trace) error {
	if err := checkTrace(t); err != nil {
		return err
	}
	p := &picture{v: readings(t)[0].coloured()}
	p.heatMaps()
	if t.Severed != nil {
		p.plots(p.v.bars(severedTitle))
	}
	return p.finish(w)
}

// WriteAverageSVG writes an average as one picture: a heat map and a plot of one
// line a row for each grid, bands being 95 % intervals, and bars with whiskers
// for severed runs.
func WriteAverageSVG(w io.Writer, a Average) error {
	if err := a.check(); err != nil {
		return err
	}
	p := &picture{v: a.view()}
	p.heatMaps()
	if len(p.v.grids) > 0 {
		var lines []plot
		for _, g := range p.v.grids {
			lines = append(lines, p.v.lines(g))
		}
		p.plots(lines...)
	}
	if a.Severed != nil {
		p.plots(p.v.bars(severedMeanTitle))
	}
	if a.Suggestion != "" {
		p.words(visible(a.Suggestion))
	}
	return p.finish(w)
}

// finish puts head, style and ground before what was drawn.
func (p *picture) finish(w io.Writer) error {
	body := p.String()
	p.Reset()
	width := max(640, p.right+margin)
	height := p.y
	p.head(width)
	body = p.String() + body
	p.Reset()
	p.open(width, height)
	p.WriteString("<style>\n" + shapes + byPreference(p.rules()) + "</style>\n")
	p.printf("<rect class=\"rt-page\" width=\"%d\" height=\"%d\"/>\n", width, height)
	p.WriteString(body + "</svg>\n")
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *picture) printf(format string, a ...any) { fmt.Fprintf(&p.Builder, format, a...) }

func (p *picture) open(width, height int) {
	p.printf("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rt\" role=\"img\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n", width, height, width, height)
	p.printf("<title>%s</title>\n", escape(p.v.about))
	p.printf("<desc>%s</desc>\n", escape(p.v.describe()))
}

// describe says in words what the picture shows.
func (v view) describe() string {
	s := []string{v.about + ".", v.head() + "."}
	for _, g := range v.grids {
		s = append(s, v.describeGrid(g)+".")
	}
	if len(v.runs) > 0 {
		s = append(s, "Bars, severed runs.")
		for _, r := range v.runs {
			s = append(s, v.peakLine(r)+".")
		}
	}
	return strings.Join(s, " ")
}

func (v view) describeGrid(g heatMap) string {
	what := "rows"
	if v.tokens {
		what = "tokens"
	}
	return fmt.Sprintf("Heat map, %d %s by %d layers. %s (%s); %s", len(v.rows), what, g.layers(), g.Title, g.Axis, strings.Join(v.strongestLines(g), "; "))
}

// heatMaps draws the grids under the room for title and facts.
func (p *picture) heatMaps() {
	p.right = max(640, 2*margin+min(columns(p.v.head()), 120)*charWidth) - margin
	p.y = headRoom + margin
	for _, panels := range p.panels() {
		p.line(panels)
		p.y += titleRoom + len(p.v.rows)*rowHeight + axisRoom + margin
	}
}

func (p *picture) head(width int) {
	room := (width - 2*margin) / charWidth
	p.text(margin, margin+14, "rt-h", "start", cut(p.v.title, room*6/7))
	p.text(margin, margin+36, "rt-m", "start", cut(p.v.head(), room))
}

// words writes a paragraph below all else.
func (p *picture) words(s string) {
	for _, line := range wrap(s, max(60, (p.right-margin)/charWidth)) {
		p.text(margin, p.y+14, "rt-t", "start", line)
		p.y += keyHeight
	}
	p.y += margin
}

func (p *picture) text(x, y int, class, anchor, s string) {
	p.printf("<text x=\"%d\" y=\"%d\" class=\"%s\" text-anchor=\"%s\">%s</text>\n", x, y, class, anchor, escape(s))
}

// escape makes text safe between tags and in attributes.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

// fill is the class of a value's colour.
func (p *picture) fill(k Kind, v float64) string {
	i := level(p.v.scale.shade(v), shades)
	if i < 0 {
		return "rt-none"
	}
	p.used[p.v.scale.two()][k][i] = true
	return p.v.scale.class(k, i)
}

// class names a shade.
func (s scale) class(k Kind, level int) string {
	return "rt-" + k.letter() + [...]string{"", "d"}[s.two()] + strconv.Itoa(level)
}

// two is 1 for a scale with two sides.
func (s scale) two() int {
	if s.symmetric {
		return 1
	}
	return 0
}

// rules are the colours that the picture uses.
func (p *picture) rules() []rule {
	rules := inks[:len(inks):len(inks)]
	if len(p.v.runs) > 0 {
		rules = append(rules, barRules()...)
	}
	if p.lined {
		rules = append(rules, lineRules()...)
	}
	return append(rules, p.shadeRules("fill")...)
}

func (p *picture) shadeRules(property string) []rule {
	var out []rule
	for two, kinds := range p.used {
		s := scale{symmetric: two == 1}
		for k, levels := range kinds {
			for i, used := range levels {
				if used {
					out = append(out, shadeRule(s.class(Kind(k), i), property, Kind(k), i, s.symmetric))
				}
			}
		}
	}
	return out
}
