package report

import (
	"strconv"
	"strings"
)

const maxLabel = 24 // columns of a row label

// panel is one grid and its size.
type panel struct {
	grid  Grid
	cell  int // width of a cell
	width int
}

func panelOf(g Grid) panel {
	cell := min(24, max(2, plotRoom/g.layers()))
	return panel{g, cell, max(cell*g.layers(), plotRoom) + barRoom}
}

// panel draws a title, the cells, the layers' numbers and the colour bar.
func (p *picture) panel(n panel, x, y int) {
	g, rows := n.grid, len(p.t.Tokens)
	p.printf("<g>\n")
	p.text(x, y+14, "rt-p", "start", cut(p.t.title(g), (n.width-8)/boldWidth))
	top, w, h := y+titleRoom, n.cell*g.layers(), rows*rowHeight
	p.cells(n, x, top)
	p.printf("<rect class=\"rt-frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", x, top, w, h)
	p.best(n, x, top)
	p.ticks(x, top+h, n.cell, g.layers())
	p.text(x, top+h+32, "rt-t", "start", cut(p.t.axis(g), (n.width-8)/charWidth))
	cells := p.t.strongest(g)
	if cells == nil {
		p.text(x, top+h+50, "rt-m", "start", p.t.strongestLines(g)[0])
	}
	for k, c := range cells {
		p.text(x, top+h+50+18*k, "rt-m", "start", p.short(g, c, (n.width-16)/charWidth))
	}
	p.colourBar(g.Kind, x+w+14, top, max(h, 64))
	p.printf("</g>\n")
}

// short names the strongest cell in few words.
func (p *picture) short(g Grid, c cell, room int) string {
	numbers := ", layer " + strconv.Itoa(c.layer) + ": " + p.t.effect(g.Values[c.token][c.layer])
	return cut(label(p.t.Tokens[c.token]), max(4, room-len(numbers)-1)) + star(p.t.subject(c.token)) + numbers
}

func (p *picture) cells(n panel, x, top int) {
	for i, row := range n.grid.Values {
		for j, v := range row {
			p.printf("<rect class=\"rt-cell %s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"><title>%s</title></rect>\n",
				p.fill(n.grid.Kind, v), x+j*n.cell, top+i*rowHeight, n.cell, rowHeight, escape(p.t.cell(n.grid, i, j)))
		}
	}
}

// best frames the strongest cells, so that colour is not alone: a line within a
// wider one shows on any shade.
func (p *picture) best(n panel, x, top int) {
	for _, c := range p.t.strongest(n.grid) {
		for _, class := range []string{"rt-halo", "rt-best"} {
			p.printf("<rect class=\"%s\" pointer-events=\"none\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", class, x+c.layer*n.cell-1, top+c.token*rowHeight-1, n.cell+2, rowHeight+2)
		}
	}
}

// ticks numbers the layers below cells of a width.
func (p *picture) ticks(x, y, cell, layers int) {
	every := step(26 / float64(cell))
	for i := 0; i < layers; i += every {
		mid := x + i*cell + cell/2
		p.printf("<path class=\"rt-frame\" d=\"M%d %dv4\"/>\n", mid, y)
		p.text(mid, y+15, "rt-n", "middle", strconv.Itoa(i))
	}
}

// colourBar runs from the floor at its foot to the top.
func (p *picture) colourBar(k Kind, x, top, h int) {
	const steps = 32
	p.text(x-4, top-7, "rt-n", "start", p.barTitle())
	at := func(i int) int { return top + h*i/steps }
	for i := range steps {
		v := p.s.top - (p.s.top-p.s.floor)*float64(i)/(steps-1)
		p.printf("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"12\" height=\"%d\"/>\n", p.fill(k, v), x, at(i), at(i+1)-at(i))
	}
	p.printf("<rect class=\"rt-frame\" x=\"%d\" y=\"%d\" width=\"12\" height=\"%d\"/>\n", x, top, h)
	p.text(x+17, top+9, "rt-n", "start", number(p.s.top))
	p.text(x+17, top+h/2+4, "rt-n", "start", number((p.s.top+p.s.floor)/2))
	p.text(x+17, top+h, "rt-n", "start", number(p.s.floor))
}

// barTitle is p(answer), with the answer where it is short.
func (p *picture) barTitle() string {
	a := strings.TrimSpace(visible(p.t.Answer))
	if a == "" {
		a = "answer"
	}
	return "p(" + cut(a, 12) + ")"
}
