package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"retcon/trace/average"
)

// averageResult is what --average and --merge print with --json.
type averageResult struct {
	Schema     int                `json:"schema"`
	Model      string             `json:"model"`
	Requests   string             `json:"requests"`
	Output     string             `json:"output"`
	Facts      int                `json:"facts"`   // in the file of facts
	Records    int                `json:"records"` // facts with results
	Shard      average.Shard      `json:"shard"`
	Settings   average.Settings   `json:"settings"`
	Summary    average.Summary    `json:"summary"`
	Suggestion average.Suggestion `json:"suggestion"`
	Warnings   []string           `json:"warnings"`
}

// reportAverage prints the averages of results; kept says that the results
// themselves are in a file. If every fact failed that is an error.
func (a *app) reportAverage(r *average.Results, output string, kept bool) error {
	h := r.Header
	sum := average.Summarise(h.Settings, r.Records)
	out := averageResult{
		Schema: traceSchema, Model: h.Model, Requests: h.Requests, Output: output, Facts: h.Facts, Records: len(r.Records), Shard: h.Shard,
		Settings: h.Settings, Summary: sum, Suggestion: average.Suggest(sum), Warnings: averageWarnings(sum, kept),
	}
	for _, rec := range r.Records {
		if sum.Failed == sum.Read && rec.Status == average.Failed {
			return fmt.Errorf("none of the %d facts could be traced; record %d: %s", sum.Read, rec.Record, rec.Error)
		}
	}
	if a.json {
		return a.printJSON(out)
	}
	printAverage(a.stdout, style{a.styled()}, out)
	return nil
}

func averageWarnings(s average.Summary, kept bool) []string {
	out := []string{}
	if s.Failed > 0 {
		out = append(out, fmt.Sprintf("%d facts failed", s.Failed))
	}
	if s.Right == 0 {
		out = append(out, "the model gets none of the facts right: there is nothing to average")
	}
	if !kept {
		out = append(out, "the results of the single facts are not kept: -o FILE keeps them")
	}
	return out
}

// printAverage prints averages for people.
func printAverage(w io.Writer, st style, r averageResult) {
	s := r.Summary
	fmt.Fprintf(w, "%s of %s facts: %d right and traced, %d answered otherwise, %d failed\n", thousands(int64(s.Read)), thousands(int64(r.Facts)), s.Right, s.Wrong, s.Failed)
	fmt.Fprintf(w, "noise %.4g (%s), %d samples\n", r.Settings.Noise, r.Settings.NoiseFrom, r.Settings.Samples)
	if s.Right > 0 {
		fmt.Fprintf(w, "\nprobability of the answer, mean over facts and 95 %% interval: clean %s, corrupted %s, total effect %s\n",
			interval(s.Clean.Mean, s.Clean.Half), interval(s.Corrupted.Mean, s.Corrupted.Half), interval(s.Total.Mean, s.Total.Half))
		printEffects(w, st, s)
		fmt.Fprintf(w, "\n%s\n", suggestionText(r.Suggestion))
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
	if r.Output != "" {
		fmt.Fprintf(w, "results: %s\n", r.Output)
	}
}

// kindTitles are the kinds of grid for people.
var kindTitles = map[string]string{average.Hidden: "state", average.MLP: "FFN", average.Attn: "attention"}

// printEffects prints a table with the peak of each row and kind.
func printEffects(w io.Writer, st style, s average.Summary) {
	const first, column = 24, 24
	fmt.Fprintf(w, "\n%s\n", st.bold("average indirect effect: the highest over layers, 95 % interval, and its layer"))
	line := pad("", first) + pad("facts", 7)
	for _, kind := range s.Kinds {
		line += pad(kindTitles[kind], column)
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
	if len(s.Kinds) > 0 {
		for i, row := range s.Indirect[s.Kinds[0]] {
			line := pad(row.Row, first) + pad(fmt.Sprint(row.Facts), 7)
			for _, kind := range s.Kinds {
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

func suggestionText(s average.Suggestion) string {
	switch {
	case s.From < 0:
		return s.Evidence
	case s.From == s.To:
		return fmt.Sprintf("layer to edit: %d (%s)", s.From, s.Evidence)
	}
	return fmt.Sprintf("layers to edit: %d to %d (%s)", s.From, s.To, s.Evidence)
}
