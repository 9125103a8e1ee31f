package main

import (
	"fmt"
	"strings"

	"retcon/internal/human"
	pictures "retcon/report"
)

// notes say how the trace was made.
func (r *traceResult) notes() []string {
	if r.Result == nil {
		return nil
	}
	text := corruptionText(r.Corruption, r.Noise, r.NoiseFrom, r.Samples)
	if r.SubjectSwap != "" {
		text += fmt.Sprintf(": %q", r.PromptSwap)
	}
	out := []string{text}
	if r.Said != "" {
		out = append(out, fmt.Sprintf("traced: %q, with which the model begins %s", r.Answer, quote(r.Said, 60)))
	}
	if x := r.Approx; x != nil {
		out = append(out, approxText(x.Steps, len(x.Refined)))
	}
	if d := r.LogitDifference; d != nil && d.Foil != r.Answer {
		out = append(out, fmt.Sprintf("logit difference: the logit of %q less that of %q, %.3f clean, %.3f corrupted", r.Answer, d.Foil, d.Clean, d.Corrupted))
	}
	return out
}

// approxText says that heat maps are estimates, and of how many cells exact
// values are known.
func approxText(steps, refined int) string {
	text := "heat maps are estimated by attribution patching"
	if steps > 1 {
		text += fmt.Sprintf(" over %d points", steps)
	}
	if refined > 0 {
		return text + fmt.Sprintf("; %d of their cells, the strongest by the estimate, some of the subject's last token and those around the strongest, are exact", refined)
	}
	return text + ": not to be read for the strongest cell, which --refine 24 finds"
}

// printTrace prints the trace for people.
func (a *app) printTrace(r *traceResult, page pictures.Page) error {
	w, o := a.stdout, a.terminal()
	if t := page.Trace; t != nil {
		if err := pictures.WriteTerminal(w, t, o); err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s\n%.1f s\n", strings.Join(r.notes(), "\n"), r.Seconds)
	}
	for i, s := range hypothesisSections(r.Hypothesis, terminalRows) {
		if i > 0 || page.Trace != nil {
			fmt.Fprintln(w)
		}
		if err := pictures.WriteSectionTerminal(w, s, o); err != nil {
			return err
		}
	}
	if r.Hypothesis != nil {
		fmt.Fprintln(w)
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", oneLine(text))
	}
	for _, path := range []string{r.SVG, r.HTML} {
		if path != "" {
			fmt.Fprintf(w, "written: %s\n", human.Printable(path))
		}
	}
	return nil
}
