package report

import "strconv"

const maxLabel = 24 // columns of a row label

// panel is one grid and its size.
type panel struct {
	grid  heatMap
	cell  int // width of a cell
	width int
}

func panelOf(g heatMap) panel {
	cell := min(24, max(2, plotRoom/g.layers()))
	return panel{g, cell, max(cell*g.layers(), plotRoom) + barRoom}
}

// panels groups the grids that stand side by side.
func (p *picture) panels() [][]panel {
	var lines [][]panel
	x := 0
	for _, g := range p.v.grids {
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
	for _, row := range p.v.rows {
		n = max(n, columns(label(row))+1)
	}
	return min(n, maxLabel)*boldWidth + 6
}

// line draws panels from the left; the first has the rows' names beside it.
func (p *picture) line(panels []panel) {
	x := margin + p.labels()
	for i, row := range p.v.rows {
		class := "rt-t"
		if p.v.subject(i) {
			class = "rt-t rt-s"
		}
		text := cut(label(row), maxLabel-1) + star(p.v.subject(i))
		p.text(x-6, p.y+titleRoom+i*rowHeight+13, class, "end", text)
	}
	for _, n := range panels {
		p.panel(n, x, p.y)
		x += n.width
	}
	p.right = max(p.right, x)
}

// panel draws a title, the cells, the layers' numbers and the colour bar.
func (p *picture) panel(n panel, x, y int) {
	g, rows := n.grid, len(p.v.rows)
	p.printf("<g>\n")
	p.text(x, y+14, "rt-p", "start", cut(g.Title, (n.width-8)/boldWidth))
	top, w, h := y+titleRoom, n.cell*g.layers(), rows*rowHeight
	p.cells(n, x, top)
	p.printf("<rect class=\"rt-frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", x, top, w, h)
	p.best(n, x, top)
	p.layerNumbers(x, top+h, n.cell, g.layers())
	p.text(x, top+h+32, "rt-t", "start", cut(g.Axis, (n.width-8)/charWidth))
	cells := p.v.strongest(g)
	if cells == nil {
		p.text(x, top+h+50, "rt-m", "start", p.v.strongestLines(g)[0])
	}
	for k, c := range cells {
		p.text(x, top+h+50+18*k, "rt-m", "start", p.short(g, c, (n.width-16)/charWidth))
	}
	p.colourBar(g.Kind, x+w+14, top, max(h, 64))
	p.printf("</g>\n")
}

// short names the strongest cell in few words.
func (p *picture) short(g heatMap, c cell, room int) string {
	numbers := ", layer " + strconv.Itoa(c.layer) + ": " + p.v.measure.say(g.Values[c.row][c.layer], g.halfAt(c.row, c.layer))
	return cut(label(p.v.rows[c.row]), max(4, room-len(numbers)-1)) + star(p.v.subject(c.row)) + numbers
}

func (p *picture) cells(n panel, x, top int) {
	for i, row := range n.grid.Values {
		for j, v := range row {
			p.printf("<rect class=\"rt-cell %s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"><title>%s</title></rect>\n",
				p.fill(n.grid.Kind, v), x+j*n.cell, top+i*rowHeight, n.cell, rowHeight, escape(p.v.cell(n.grid, i, j)))
		}
	}
}

// best frames the strongest cells, so that colour is not alone: a line within a
// wider one shows on any shade.
func (p *picture) best(n panel, x, top int) {
	for _, c := range p.v.strongest(n.grid) {
		for _, class := range []string{"rt-halo", "rt-best"} {
			p.printf("<rect class=\"%s\" pointer-events=\"none\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", class, x+c.layer*n.cell-1, top+c.row*rowHeight-1, n.cell+2, rowHeight+2)
		}
	}
}

// layerNumbers stand below cells of a width.
func (p *picture) layerNumbers(x, y, cell, layers int) {
	every := step(26 / float64(cell))
	for i := 0; i < layers; i += every {
		mid := x + i*cell + cell/2
		p.printf("<path class=\"rt-tick\" d=\"M%d %dv4\"/>\n", mid, y)
		p.text(mid, y+15, "rt-n", "middle", strconv.Itoa(i))
	}
}

// colourBar runs from the floor at its foot to the top.
func (p *picture) colourBar(k Kind, x, top, h int) {
	const steps = 32
	p.text(x-4, top-7, "rt-n", "start", cut(p.v.measure.bar, 15))
	at := func(i int) int { return top + h*i/steps }
	for i := range steps {
		v := p.v.scale.at(1 - float64(i)/(steps-1))
		p.printf("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"12\" height=\"%d\"/>\n", p.fill(k, v), x, at(i), at(i+1)-at(i))
	}
	p.printf("<rect class=\"rt-frame\" x=\"%d\" y=\"%d\" width=\"12\" height=\"%d\"/>\n", x, top, h)
	for i, y := range []int{top + 9, top + h/2 + 4, top + h} {
		p.text(x+17, y, "rt-n", "start", number(p.v.scale.at(1-float64(i)/2)))
	}
}
