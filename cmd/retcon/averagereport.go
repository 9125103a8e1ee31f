package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"retcon/internal/human"
	"retcon/internal/shard"
	pictures "retcon/report"
	"retcon/trace/average"
	"retcon/trace/hypothesis"
)

// averageResult is what --average and --merge print with --json.
type averageResult struct {
	Schema     int                  `json:"schema"`
	Model      string               `json:"model"`
	Requests   string               `json:"requests"`
	Output     string               `json:"output"`
	SVG        string               `json:"svg"`
	HTML       string               `json:"html"`
	Facts      int                  `json:"facts"`   // in the file of facts
	Records    int                  `json:"records"` // facts with results
	Shard      shard.Shard          `json:"shard"`
	Settings   average.Settings     `json:"settings"`
	Summary    average.Summary      `json:"summary"`
	Suggestion average.Suggestion   `json:"suggestion"`
	Hypothesis *hypothesis.Averages `json:"hypothesis,omitempty"`
	Warnings   []string             `json:"warnings"`
}

// reportAverage draws and prints the averages of results; kept says that the
// results themselves are in a file. If every fact failed that is an error.
func (a *app) reportAverage(r *average.Results, files *pictureFiles, f *traceFlags, kept bool) error {
	h := r.Header
	sum := average.Summarise(h.Settings, r.Records)
	for _, rec := range r.Records {
		if sum.Failed == sum.Read && rec.Status == average.Failed {
			return fmt.Errorf("none of the %d facts could be traced; record %d: %s", sum.Read, rec.Record, rec.Error)
		}
	}
	out := averageResult{
		Schema: traceSchema, Model: h.Model, Requests: h.Requests, Output: f.averages.output, SVG: f.pictures.svg, HTML: f.pictures.html,
		Facts: h.Facts, Records: len(r.Records), Shard: h.Shard,
		Settings: h.Settings, Summary: sum, Suggestion: average.Suggest(sum), Warnings: averageWarnings(sum, kept),
	}
	var warnings []string
	var err error
	if out.Hypothesis, warnings, err = averageHypothesis(r.Records); err != nil {
		return err
	}
	out.Warnings = append(out.Warnings, warnings...)
	if out.SVG != "" && !out.traced() {
		out.SVG = ""
		out.Warnings = append(out.Warnings, "nothing was traced that could be drawn: there is no --svg")
	}
	page := out.page()
	if err := files.write(page); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(out)
	}
	return a.printAverage(out, page)
}

func averageWarnings(s average.Summary, kept bool) []string {
	out := []string{}
	if s.Failed > 0 {
		out = append(out, counted(s.Failed, "fact")+" failed")
	}
	if s.Right == 0 {
		out = append(out, "the model gets none of the facts right: there is nothing to average")
	}
	out = append(out, s.Doubts.Sentences(s.Right)...)
	if !kept {
		out = append(out, "the results of the single facts are not kept: -o FILE keeps them")
	}
	return out
}

// traced reports whether there are traces to show.
func (r *averageResult) traced() bool {
	return r.Summary.Right > 0 && (len(r.Settings.Kinds) > 0 || r.Settings.Sever)
}

// printAverage prints averages for people.
func (a *app) printAverage(r averageResult, page pictures.Page) error {
	w, s, st := a.stdout, r.Summary, style{a.styled()}
	fmt.Fprintf(w, "%s of %s facts: %d right and traced, %d answered otherwise, %d failed\n", thousands(int64(s.Read)), thousands(int64(r.Facts)), s.Right, s.Wrong, s.Failed)
	if r.Settings.Corruption != noCorruption {
		fmt.Fprintln(w, corruptionText(r.Settings.Corruption, r.Settings.Noise, r.Settings.NoiseFrom, r.Settings.Samples))
	}
	if x := r.Settings; x.Approx {
		fmt.Fprintln(w, averageApproxText(x))
	}
	if page.Average != nil {
		shown := *page.Average
		shown.Suggestion = "" // it follows the tables
		fmt.Fprintln(w)
		if err := pictures.WriteAverageTerminal(w, shown, a.terminal()); err != nil {
			return err
		}
		fmt.Fprintf(w, "\nprobability of the answer, mean over facts and 95 %% interval: %s\n", totals(s.Averages))
		printEffects(w, st, s.Kinds, s.Averages)
		if s.Logit != nil {
			fmt.Fprintf(w, "\nlogit difference: %s\n", totals(*s.Logit))
			printEffects(w, st, s.Kinds, *s.Logit)
		}
		fmt.Fprintf(w, "\n%s\n", r.Suggestion)
	}
	for _, one := range averageSections(r.Hypothesis, terminalRows) {
		fmt.Fprintln(w)
		if err := pictures.WriteSectionTerminal(w, one, a.terminal()); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", oneLine(text))
	}
	for _, x := range []struct{ what, path string }{{"results", r.Output}, {"written", r.SVG}, {"written", r.HTML}} {
		if x.path != "" {
			fmt.Fprintf(w, "%s: %s\n", x.what, human.Printable(x.path))
		}
	}
	return nil
}

// averageApproxText says that effects are estimates.
func averageApproxText(s average.Settings) string {
	text := approxText(s.ApproxSteps, 0)
	if s.Refine > 0 {
		text, _, _ = strings.Cut(text, ":")
		text += fmt.Sprintf(", %d cells of each run exactly", s.Refine)
	}
	return text
}

// totals are the means over facts.
func totals(m average.Averages) string {
	return fmt.Sprintf("clean %s, corrupted %s, total effect %s",
		interval(m.Clean.Mean, m.Clean.Half), interval(m.Corrupted.Mean, m.Corrupted.Half), interval(m.Total.Mean, m.Total.Half))
}

// kindTitles are the kinds of grid for people.
var kindTitles = map[string]string{average.Hidden: "state", average.MLP: "FFN", average.Attn: "attention"}

// printEffects prints a table with the peak of each row and kind.
func printEffects(w io.Writer, st style, kinds []string, s average.Averages) {
	const first, column = 24, 24
	if len(kinds) > 0 {
		fmt.Fprintf(w, "\n%s\n", st.bold("average indirect effect: the highest over layers, 95 % interval, and its layer"))
		line := pad("", first) + pad("facts", 7)
		for _, kind := range kinds {
			line += pad(kindTitles[kind], column)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
		for i, row := range s.Indirect[kinds[0]] {
			line := pad(row.Row, first) + pad(fmt.Sprint(row.Facts), 7)
			for _, kind := range kinds {
				line += pad(peakText(s.Indirect[kind][i].Series), column)
			}
			fmt.Fprintln(w, strings.TrimRight(line, " "))
		}
	}
	if v := s.Severed; v != nil {
		fmt.Fprintf(w, "\n%s\n", st.bold("the subject's last state restored"))
		for _, x := range []struct {
			name   string
			series average.Series
		}{{"alone", v.Single}, {"with FFN severed", v.MLPSevered}, {"with attention severed", v.AttnSevered}} {
			fmt.Fprintf(w, "%s%s\n", pad(x.name, first), peakText(x.series))
		}
	}
}

// peakText is the highest effect of a series.
func peakText(s average.Series) string {
	l := s.Peak()
	if l < 0 {
		return "-"
	}
	half := math.NaN()
	if s.Facts > 1 {
		half = s.Half[l]
	}
	return fmt.Sprintf("%s at %d", interval(s.Mean[l], half), l)
}

// interval is a mean and the half width of its interval, if known.
func interval(mean, half float64) string {
	if math.IsNaN(half) {
		return fmt.Sprintf("%.4f", mean)
	}
	return fmt.Sprintf("%.4f ± %.4f", mean, half)
}
