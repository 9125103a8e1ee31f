package main

import (
	"fmt"
	"io"

	"retcon/edit"
)

// printRemoved says which facts were taken out.
func printRemoved(w io.Writer, s style, r *edit.Result) {
	p := &report{w: w, s: s, r: r}
	all := r.Edits
	fmt.Fprintf(w, "%s\n", s.bold(fmt.Sprintf("%s: %s taken out", base(r.Model), counted(len(all), "neuron"))))
	for _, e := range all {
		p.line("", fmt.Sprintf("%s -> %s", quote(e.Subject, 40), quote(e.Target, 40)))
	}
	for _, l := range r.Lines {
		p.line(l.Label, l.Text)
	}
	p.warnings(r.Warnings)
	p.files()
}
