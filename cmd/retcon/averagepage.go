package main

import (
	"fmt"

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
	p.Average = average.Picture(r.Settings, r.Summary)
	if r.Summary.Logit != nil {
		p.Sections = append([]pictures.Section{logitSection(&r.Summary)}, p.Sections...)
	}
	return p
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
