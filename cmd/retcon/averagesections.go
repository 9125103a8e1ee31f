package main

import (
	"cmp"
	"fmt"
	"math"

	pictures "retcon/report"
	"retcon/trace/hypothesis"
)

// sections are the averages in plain form.
func averageSections(h *hypothesis.Averages, rows int) []pictures.Section {
	var out []pictures.Section
	if h == nil {
		return nil
	}
	if m := h.Memory; m != nil {
		s := pictures.Section{Title: memoryTitle, Text: []string{m.Sentence()}, Name: "log10 of the answer's mean rank"}
		ranks := pictures.Series{Name: "mean rank of the answer"}
		for _, r := range m.AnswerRank {
			ranks.Values = append(ranks.Values, math.Log10(r.Mean))
		}
		s.Series = []pictures.Series{ranks}
		s.Table = &pictures.Table{Columns: []string{"layer", "answer's mean rank", "among the first ten"}}
		for _, l := range first(indices(m.AnswerRank), rows, func(a, b int) int { return cmp.Compare(m.AnswerRank[a].Mean, m.AnswerRank[b].Mean) }, func(l int) int { return l }) {
			r := m.AnswerRank[l]
			s.Table.Rows = append(s.Table.Rows, []string{fmt.Sprint(l), fmt.Sprintf("%.0f (%.0f to %.0f)", r.Mean, max(1, r.Low), r.High), shareText(m.TopTen[l])})
		}
		out = append(out, s)
	}
	if k := h.Knockout; k != nil {
		s := pictures.Section{Title: knockoutTitle, Text: []string{k.Sentence()}, Axis: windowAxis(k.Window), Name: "mean p(answer)"}
		s.Series = []pictures.Series{meanSeries("subject cut", k.SubjectCut)}
		if k.OthersCut != nil {
			s.Series = append(s.Series, meanSeries("other tokens cut", k.OthersCut))
		}
		s.Series = append(s.Series, meanSeries("itself cut", k.SelfCut))
		out = append(out, s)
	}
	if l := h.Layers; l != nil {
		out = append(out, layersAverageSection(l, rows))
	}
	return out
}

func layersAverageSection(l *hypothesis.LayersAverage, rows int) pictures.Section {
	s := pictures.Section{Title: layersTitle, Text: []string{l.Sentence()}, Name: "share of facts whose answer stays"}
	// Intervals of shares are lopsided: the table has them.
	kept := func(v []hypothesis.LayerMean) []float64 {
		out := make([]float64, len(l.Dropped))
		for i := range out {
			if out[i] = math.NaN(); i < len(v) {
				out[i] = v[i].Kept.Mean
			}
		}
		return out
	}
	s.Series = []pictures.Series{{Name: "dropped", Values: kept(l.Dropped)}}
	if len(l.Exchanged) > 0 {
		s.Series = append(s.Series, pictures.Series{Name: "exchanged with the next", Values: kept(l.Exchanged)})
	}
	s.Table = &pictures.Table{Columns: []string{"layer", "dropped: answer stays", "perplexity", "exchanged: answer stays", "perplexity"}}
	for _, d := range first(l.Dropped, rows, func(a, b hypothesis.LayerMean) int {
		return cmp.Or(cmp.Compare(a.Kept.Mean, b.Kept.Mean), cmp.Compare(b.Perplexity, a.Perplexity))
	}, func(m hypothesis.LayerMean) int { return m.Layer }) {
		row := []string{fmt.Sprint(d.Layer), shareText(d.Kept), perplexityText(d.Perplexity), "", ""}
		if d.Layer < len(l.Exchanged) {
			e := l.Exchanged[d.Layer]
			row[3], row[4] = shareText(e.Kept), perplexityText(e.Perplexity)
		}
		s.Table.Rows = append(s.Table.Rows, row)
	}
	return s
}

func indices[T any](v []T) []int {
	out := make([]int, len(v))
	for i := range out {
		out[i] = i
	}
	return out
}

// meanSeries is a line of means with their intervals.
func meanSeries(name string, v []hypothesis.Mean) pictures.Series {
	s := pictures.Series{Name: name}
	for _, m := range v {
		s.Values, s.Half = append(s.Values, m.Mean), append(s.Half, m.High-m.Mean)
	}
	return s
}

func shareText(m hypothesis.Mean) string {
	return fmt.Sprintf("%.0f %% (%.0f to %.0f)", 100*m.Mean, 100*m.Low, 100*m.High)
}
