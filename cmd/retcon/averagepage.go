package main

import (
	"fmt"
	"math"

	pictures "retcon/report"
	"retcon/trace/average"
)

// page is the averages as the pictures take them.
func (r *averageResult) page() pictures.Page {
	p := pictures.Page{Notes: r.Warnings, Sections: averageSections(r.Hypothesis, allRows)}
	if !r.traced() {
		if len(p.Sections) == 0 { // a page says at least why it is empty
			p.Sections = []pictures.Section{{Title: "Averages over facts", Text: []string{fmt.Sprintf("%d facts, %d of them answered right", r.Summary.Read, r.Summary.Right)}}}
		}
		return p
	}
	s := &r.Summary
	a := &pictures.Average{
		Facts: s.Right, Clean: s.Clean.Mean, Corrupted: s.Corrupted.Mean, Effect: s.Total.Mean, EffectHalf: s.Total.Half,
		Noise: r.Settings.Noise, Samples: r.Settings.Samples, Window: s.Window, Suggestion: suggestionText(r.Suggestion),
	}
	for _, g := range []struct {
		kind  string
		shown pictures.Kind
	}{{average.Hidden, pictures.Hidden}, {average.MLP, pictures.MLP}, {average.Attn, pictures.Attn}} {
		rows := s.Indirect[g.kind]
		if rows == nil {
			continue
		}
		for i := range rows {
			a.Counts[i] = rows[i].Facts
		}
		grid := averageGrid(g.shown, rows, s.Layers)
		grid.Approximate = r.Settings.Approx
		a.Grids = append(a.Grids, grid)
	}
	if v := s.Severed; v != nil {
		a.Severed = &pictures.AverageSevered{Single: band(v.Single), MLPSevered: band(v.MLPSevered), AttnSevered: band(v.AttnSevered)}
	}
	p.Average = a
	if s.Logit != nil {
		p.Sections = append([]pictures.Section{logitSection(s)}, p.Sections...)
	}
	return p
}

// averageGrid has a row for each row of effects; one without facts is empty.
func averageGrid(kind pictures.Kind, rows []average.RowMean, layers int) pictures.AverageGrid {
	g := pictures.AverageGrid{Kind: kind}
	for _, row := range rows {
		g.Effect = append(g.Effect, filled(row.Mean, layers))
		g.Half = append(g.Half, filled(row.Half, layers))
	}
	return g
}

// filled is values for each layer, or gaps where there are none.
func filled(v []float64, layers int) []float64 {
	if len(v) > 0 {
		return v
	}
	out := make([]float64, layers)
	for l := range out {
		out[l] = math.NaN()
	}
	return out
}

// band is a series, without half widths where one fact gives none.
func band(s average.Series) pictures.Band {
	if len(s.Half) == 0 {
		return pictures.Band{Mean: s.Mean}
	}
	return pictures.Band{Mean: s.Mean, Half: s.Half}
}

// logitSection is the effects in the other measure.
func logitSection(s *average.Summary) pictures.Section {
	out := pictures.Section{
		Title: "Logit difference", Name: "mean effect on the logit difference",
		Text: []string{"The answer's logit less that of the other subject's answer: " + totals(*s.Logit) + ". The lines are what restoring brings back at two tokens."},
	}
	for _, kind := range s.Kinds {
		for _, row := range []average.Row{average.LastSubject, average.Last} {
			if e := s.Logit.Indirect[kind][row]; e.Facts > 0 {
				one := pictures.Series{Name: fmt.Sprintf("%s, %s", kindTitles[kind], row), Values: e.Mean}
				if len(e.Half) > 0 {
					one.Half = e.Half
				}
				out.Series = append(out.Series, one)
			}
		}
	}
	return out
}
