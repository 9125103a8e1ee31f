package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Field is a named value of a Row: a text, a number, a truth value, nil where
// there is none, or whatever JSON can hold.
type Field struct {
	Name  string
	Value any
}

// Row is a record with its fields in order.
type Row []Field

// MarshalJSON writes an object with the fields in order. Numbers that JSON
// cannot hold are null.
func (r Row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		value := f.Value
		if v, ok := value.(float64); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
			value = nil
		}
		for k, part := range []any{f.Name, value} {
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(part); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
			b.Truncate(b.Len() - 1) // the newline
			if k == 0 {
				b.WriteByte(':')
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// WriteCSV writes rows of the same fields, their names first.
func WriteCSV(w io.Writer, rows []Row) error {
	c := csv.NewWriter(w)
	for i, r := range rows {
		names, cells := make([]string, len(r)), make([]string, len(r))
		for k, f := range r {
			names[k], cells[k] = f.Name, cellText(f.Value)
		}
		if i == 0 {
			c.Write(names)
		}
		c.Write(cells)
	}
	c.Flush()
	return c.Error()
}

// WriteJSONL writes rows as JSON, one a line.
func WriteJSONL(w io.Writer, rows []Row) error {
	for _, r := range rows {
		b, err := r.MarshalJSON()
		if err != nil {
			return err
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// WriteSQL writes rows of the same fields as statements that SQLite and others
// understand: the table, if it does not exist, and an insertion a row.
func WriteSQL(w io.Writer, table string, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (\n", identifier(table))
	for k, f := range rows[0] {
		sep := ","
		if k == len(rows[0])-1 {
			sep = ""
		}
		fmt.Fprintf(&b, "  %s %s%s\n", identifier(f.Name), sqlType(rows, k), sep)
	}
	b.WriteString(");\n")
	for _, r := range rows {
		names, values := make([]string, len(r)), make([]string, len(r))
		for k, f := range r {
			names[k], values[k] = identifier(f.Name), sqlValue(f.Value)
		}
		fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES (%s);\n", identifier(table), strings.Join(names, ", "), strings.Join(values, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// sqlType is the type of a column, by the first row that has a value there. A
// column without values holds numbers, as metrics that were not asked for do.
func sqlType(rows []Row, k int) string {
	for _, r := range rows {
		switch reflect.ValueOf(r[k].Value).Kind() {
		case reflect.Invalid:
			continue
		case reflect.Float32, reflect.Float64:
			return "REAL"
		case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64, reflect.Bool:
			return "INTEGER"
		}
		return "TEXT"
	}
	return "REAL"
}

func sqlValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case bool:
		return map[bool]string{false: "0", true: "1"}[v]
	}
	if text := cellText(v); text != "" {
		return text
	}
	return "NULL"
}

// cellText is a value as text, empty for none.
func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return ""
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
