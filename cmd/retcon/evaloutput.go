package main

import (
	"fmt"
	"io"

	"retcon/eval"
	"retcon/internal/table"
)

// printSeries prints series in one of the formats of --format.
func (a *app) printSeries(format string, all []eval.Series) error {
	if a.json {
		format = "json"
	}
	rows := make([]table.Row, len(all))
	for i := range all {
		rows[i] = all[i].Fields()
	}
	w := io.Writer(a.stdout)
	switch format {
	case "csv":
		return table.WriteCSV(w, rows)
	case "jsonl":
		return table.WriteJSONL(w, rows)
	case "sql":
		return table.WriteSQL(w, "bench", rows)
	case "json":
		if len(all) == 1 {
			return a.printJSON(all[0].JSON())
		}
		runs := make([]table.Row, len(all))
		for i := range all {
			runs[i] = all[i].JSON()
		}
		return a.printJSON(table.Row{{Name: "schema", Value: eval.Schema}, {Name: "runs", Value: runs}})
	}
	if err := eval.Tables(all).WriteMarkdown(w); err != nil {
		return err
	}
	for _, note := range eval.Notes(all) {
		if _, err := fmt.Fprintf(w, "\n%s\n", oneLine(note)); err != nil {
			return err
		}
	}
	if t := eval.SurvivalTable(all); len(t.Rows) > 0 {
		fmt.Fprintln(w)
		return t.WriteMarkdown(w)
	}
	return nil
}
