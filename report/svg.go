package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
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
	headRoom  = 62  // prompt and facts
	titleRoom = 36
	axisRoom  = 76 // layer numbers, axis title and strongest cells
	shades    = 64
)

// picture writes SVG. Its classes begin with rt- so that it can stand inside a
// page; colours follow the reader's preference for light or dark.
type picture struct {
	strings.Builder
	t    Trace
	s    scale
	used [len(light)][shades]bool // the shades that the style must define
}

// WriteSVG writes a trace as one picture without scripts: a heat map a grid,
// side by side where they fit, and grouped bars for severed runs.
func WriteSVG(w io.Writer, t Trace) error {
	if err := t.check(); err != nil {
		return err
	}
	p := &picture{t: t, s: scaleOf(t)}
	width, height := p.body()
	body := p.String()
	p.Reset()
	p.open(width, height)
	p.style()
	p.printf("<rect class=\"rt-page\" width=\"%d\" height=\"%d\"/>\n", width, height)
	p.WriteString(body)
	p.WriteString("</svg>\n")
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *picture) printf(format string, a ...any) { fmt.Fprintf(&p.Builder, format, a...) }

func (p *picture) open(width, height int) {
	p.printf("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rt\" role=\"img\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n", width, height, width, height)
	p.printf("<title>Causal trace of %s</title>\n", escape(quoted(p.t.Prompt)))
	p.printf("<desc>%s</desc>\n", escape(p.describe()))
}

// describe says in words what the picture shows.
func (p *picture) describe() string {
	s := []string{"Causal trace of " + quoted(p.t.Prompt) + ".", p.t.facts() + "."}
	for _, g := range p.t.Grids {
		s = append(s, fmt.Sprintf("Heat map, %d tokens by %d layers. %s (%s); %s.", len(p.t.Tokens), g.layers(), p.t.title(g), p.t.axis(g), strings.Join(p.t.strongestLines(g), "; ")))
	}
	if p.t.Severed != nil {
		s = append(s, "Bars, severed runs.")
		for _, r := range p.t.Severed.runs() {
			s = append(s, p.t.peakLine(r)+".")
		}
	}
	return strings.Join(s, " ")
}

// body draws everything and returns the size of the whole.
func (p *picture) body() (width, height int) {
	lines := p.lines()
	width = max(640, 2*margin+min(columns(p.t.facts()), 120)*charWidth)
	y := headRoom + margin
	for _, line := range lines {
		right := p.line(line, y)
		width = max(width, right+margin)
		y += titleRoom + len(p.t.Tokens)*rowHeight + axisRoom + margin
	}
	if p.t.Severed != nil {
		width = max(width, p.severed(y)+margin)
		y += titleRoom + chartHeight + axisRoom + margin
	}
	p.head(width)
	return width, y
}

func (p *picture) head(width int) {
	room := (width - 2*margin) / charWidth
	p.text(margin, margin+14, "rt-h", "start", cut(quoted(p.t.Prompt), room*6/7))
	p.text(margin, margin+36, "rt-m", "start", cut(p.t.facts(), room))
}

// lines groups the panels that stand side by side.
func (p *picture) lines() [][]panel {
	var lines [][]panel
	x := 0
	for _, g := range p.t.Grids {
		n := panelOf(g)
		if len(lines) == 0 || x+n.width > maxLine {
			lines = append(lines, nil)
			x = 2*margin + p.labels()
		}
		x += n.width
		last := len(lines) - 1
		lines[last] = append(lines[last], n)
	}
	return lines
}

// labels is the width of the row labels.
func (p *picture) labels() int {
	n := 3
	for _, token := range p.t.Tokens {
		n = max(n, columns(label(token))+1)
	}
	return min(n, maxLabel)*boldWidth + 6
}

// line draws panels from the left; the first has the tokens beside it.
func (p *picture) line(panels []panel, y int) (right int) {
	x := margin + p.labels()
	for i := range p.t.Tokens {
		class := "rt-t"
		if p.t.subject(i) {
			class = "rt-t rt-s"
		}
		text := cut(label(p.t.Tokens[i]), maxLabel-1) + star(p.t.subject(i))
		p.text(x-6, y+titleRoom+i*rowHeight+13, class, "end", text)
	}
	for _, n := range panels {
		p.panel(n, x, y)
		x += n.width
	}
	return x
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
	i := level(p.s.shade(v), shades)
	if i < 0 {
		return "rt-none"
	}
	p.used[k][i] = true
	return "rt-" + k.String()[:1] + strconv.Itoa(i)
}

const lightStyle = `.rt{font:12px "DejaVu Sans",system-ui,sans-serif}
.rt text{fill:#1f2328;white-space:pre}.rt .rt-h{font-size:14px;font-weight:600}.rt .rt-m{fill:#57606a}.rt .rt-n{font-size:10px;fill:#57606a}
.rt .rt-p{font-size:13px;font-weight:600}.rt .rt-s{font-weight:700}.rt-page{fill:#fff}.rt-frame{fill:none;stroke:#8c959f}.rt-grid{stroke:#d0d7de}
.rt-none{fill:#d0d7de}.rt-halo{fill:none;stroke:#fff;stroke-width:4}.rt-best{fill:none;stroke:#000;stroke-width:2}
.rt-cell:hover{stroke:#000;stroke-width:1.5}
`

const darkStyle = `.rt text{fill:#e6edf3}.rt .rt-m,.rt .rt-n{fill:#9da7b3}.rt-page{fill:#15171c}.rt-frame{stroke:#6e7681}.rt-grid{stroke:#363c45}
.rt-none{fill:#484f58}.rt-halo{stroke:#15171c}.rt-best{stroke:#fff}
.rt-cell:hover{stroke:#fff}
`

func (p *picture) style() {
	p.WriteString("<style>\n" + lightStyle)
	p.shades(light)
	p.WriteString("@media (prefers-color-scheme:dark){\n" + darkStyle)
	p.shades(dark)
	p.WriteString("}\n</style>\n")
}

// shades defines the colours that are used, and those of the bars.
func (p *picture) shades(ramps [3]ramp) {
	for k, r := range ramps {
		name := Kind(k).String()[:1]
		if slices.Contains(p.used[k][:], true) {
			for i, used := range p.used[k] {
				if used {
					p.printf(".rt-%s%d{fill:%s}", name, i, r.at(float64(i)/(shades-1)).hex())
				}
			}
			p.WriteString("\n")
		}
		p.printf(".rt-%sbar{fill:%s}", name, r.at(barShade).hex())
	}
	p.WriteString("\n")
}
