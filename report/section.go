package report

import (
	"fmt"

	"retcon/internal/table"
)

// Section is a result in a plain form: lines over layers, a table, or both.
type Section struct {
	Title  string
	Text   []string // paragraphs
	Axis   string   // of the layers; "" is "layer"
	Name   string   // of the values; "" is "p(answer)"
	Series []Series
	Table  *Table
}

// Series is one line over the layers.
type Series struct {
	Name   string
	Values []float64 // [layer]; what is not finite leaves a gap
	Half   []float64 // half width of the 95 % interval; may be nil
}

// Table is text in rows and columns.
type Table = table.Table

// check refuses a section whose parts do not fit together.
func (s Section) check() error {
	if s.Title == "" {
		return fmt.Errorf("report: a section without a title")
	}
	for _, l := range s.Series {
		if len(l.Values) == 0 {
			return fmt.Errorf("report: section %q: series %q has no values", s.Title, l.Name)
		}
		if l.Half != nil && len(l.Half) != len(l.Values) {
			return fmt.Errorf("report: section %q: series %q has %d values and %d half widths", s.Title, l.Name, len(l.Values), len(l.Half))
		}
	}
	if s.Table == nil {
		return nil
	}
	for i, row := range s.Table.Rows {
		if len(row) != len(s.Table.Columns) {
			return fmt.Errorf("report: section %q: row %d has %d columns, want %d", s.Title, i, len(row), len(s.Table.Columns))
		}
	}
	return nil
}
