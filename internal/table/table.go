// Package table has rows of named values, written as CSV, JSON lines and SQL, and
// tables of text, written as Markdown.
package table

import (
	"io"
	"strings"
	"unicode/utf8"

	"retcon/internal/human"
)

// Table is text in rows and columns.
type Table struct {
	Columns []string
	Rows    [][]string
}

// Add appends a row; cells that it lacks at its end are empty.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// WriteMarkdown writes the table in Markdown, its columns aligned for the eye
// too: the first to the left, the others to the right.
func (t Table) WriteMarkdown(w io.Writer) error {
	widths := make([]int, len(t.Columns))
	cell := func(row []string, k int) string {
		if k >= len(row) {
			return ""
		}
		return strings.ReplaceAll(human.Line(row[k]), "|", `\|`)
	}
	for k := range t.Columns {
		widths[k] = max(3, utf8.RuneCountInString(cell(t.Columns, k)))
		for _, r := range t.Rows {
			widths[k] = max(widths[k], utf8.RuneCountInString(cell(r, k)))
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for k, n := range widths {
			text := cell(row, k)
			space := strings.Repeat(" ", n-utf8.RuneCountInString(text))
			if k == 0 {
				b.WriteString("| " + text + space + " ")
			} else {
				b.WriteString("| " + space + text + " ")
			}
		}
		b.WriteString("|\n")
	}
	line(t.Columns)
	for k, n := range widths {
		if k == 0 {
			b.WriteString("| " + strings.Repeat("-", n) + " ")
		} else {
			b.WriteString("| " + strings.Repeat("-", n-1) + ": ")
		}
	}
	b.WriteString("|\n")
	for _, r := range t.Rows {
		line(r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
