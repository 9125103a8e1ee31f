package main

import (
	"fmt"
	"io"
	"path/filepath"

	"retcon/edit"
)

// printPlan prints what an edit would do, for people.
func printPlan(w io.Writer, s style, p *edit.Plan) {
	r := &report{w: w, s: s}
	fmt.Fprintf(w, "%s\n", s.bold(fmt.Sprintf("%s: plan for %s", filepath.Base(p.Model), counted(p.Requests, "request"))))
	from := map[string]string{
		"default": ", the default for a model of this depth",
		"asked":   ", as asked",
		"auto":    " and others around it, of which the best is taken",
		"trace":   ", or wherever the trace points, which a dry run leaves out",
	}[p.LayerFrom]
	r.line("method", fmt.Sprintf("%s at layer %d%s", p.Method, p.Layer, from))
	r.line("tensor", fmt.Sprintf("%s, %s %s, %s", p.Tensor, p.Type, p.Shape, bytesText(p.TensorBytes)))
	switch {
	case p.Method == edit.MethodTPatcher:
		text := fmt.Sprintf("%s queries", thousands(p.StatsKeys))
		if p.StatsCached {
			text += ", cached"
		} else {
			text += fmt.Sprintf(", to be made in about %s", about(p.StatsTime))
		}
		r.line("memory", text)
		if p.Room != nil {
			r.line("room", roomText(p.Room))
		}
	case p.StatsCached:
		r.line("covariance", p.Covariance+", cached")
	case p.StatsKeys > 0:
		text := fmt.Sprintf("%s, to be made from %s tokens in about %s", p.Covariance, thousands(p.StatsKeys), about(p.StatsTime))
		if p.StatsBytes > 0 {
			text += ", then cached in " + bytesText(p.StatsBytes)
		}
		r.line("covariance", text)
	default:
		r.line("covariance", p.Covariance)
	}
	r.line("edit", fmt.Sprintf("%s tokens a step, about %s", thousands(int64(p.Tokens)), about(p.Seconds)))
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

// about shows a duration that is known roughly.
func about(seconds float64) string {
	switch {
	case seconds < 1:
		return "a second"
	case seconds < 60:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 5400:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
