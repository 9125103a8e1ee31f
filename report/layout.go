package report

import (
	"fmt"
	"strconv"
	"strings"
)

// layout says how layers become the cells of a line.
type layout struct {
	layers int
	merge  int // layers in a cell
	cell   int // columns of a cell
	count  int // cells
}

// layoutOf fits layers into a number of columns: cells are up to three columns
// wide, and hold several layers where there is less than one column for each.
func layoutOf(layers, width int) layout {
	width = max(1, width)
	merge := (layers + width - 1) / width
	count := (layers + merge - 1) / merge
	return layout{layers, merge, max(1, min(3, width/count)), count}
}

// merged takes the largest value of the layers in each cell, so that a narrow
// line never hides a strong layer.
func (l layout) merged(row []float64) []float64 {
	if l.merge == 1 {
		return row
	}
	out := make([]float64, 0, l.count)
	for i := 0; i < len(row); i += l.merge {
		part := row[i:min(i+l.merge, len(row))]
		out = append(out, part[max(0, peak(part))])
	}
	return out
}

func (l layout) note() string {
	if l.merge == 1 {
		return ""
	}
	return fmt.Sprintf(" (a cell holds the largest of %d layers)", l.merge)
}

// step is the least of 1, 2, 5, 10, .. that is not below the distance wanted.
func step(least float64) int {
	for s := 1; ; s *= 10 {
		for _, m := range []int{1, 2, 5} {
			if float64(m*s) >= least {
				return m * s
			}
		}
	}
}

// ruler writes layer numbers below the cells that hold those layers.
func (c *canvas) ruler(l layout) {
	room := len(strconv.Itoa(l.layers-1)) + 1
	every := step(float64(room*l.merge) / float64(l.cell))
	line, used := "", 0
	for layer := 0; layer < l.layers; layer += every {
		at := layer / l.merge * l.cell
		if n := strconv.Itoa(layer); at >= used && at+len(n) <= l.count*l.cell {
			line += strings.Repeat(" ", at-used) + n
			used = at + len(n)
		}
	}
	start := c.label
	if c.colour == NoColour {
		start++
	}
	c.WriteString(strings.TrimRight(strings.Repeat(" ", start)+line, " ") + "\n")
}
