package main

import (
	"fmt"
	"io"

	"retcon/edit"
	"retcon/internal/human"
)

// printPlan prints what an edit would do, for people.
func printPlan(w io.Writer, s style, p *edit.Plan) {
	r := &report{w: w, s: s}
	fmt.Fprintf(w, "%s\n", s.bold(fmt.Sprintf("%s: plan for %s", base(p.Model), counted(p.Requests, "request"))))
	for _, l := range p.Lines {
		r.line(l.Label, l.Text)
	}
	r.line("edit", fmt.Sprintf("%s tokens a step, about %s", thousands(int64(p.Tokens)), human.About(p.Seconds)))
	r.line("memory", "about "+bytesText(p.MemoryBytes)+" beyond the model and what --memory bounds")
	if p.OutputBytes > 0 {
		r.line("model", "about "+bytesText(p.OutputBytes))
	}
	if p.LoRABytes > 0 {
		r.line("adapter", "about "+bytesText(p.LoRABytes))
	}
	r.warnings(p.Warnings)
	r.heading("Nothing was computed or written: this is a dry run")
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
