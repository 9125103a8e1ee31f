package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	pictures "retcon/report"
	"retcon/trace/hypothesis"
)

// How many rows a table has on a page and in a terminal.
const (
	allRows      = math.MaxInt
	terminalRows = 5
)

const (
	memoryTitle   = "FFN as a key-value memory: what each layer promotes at the subject's last token"
	knockoutTitle = "Attention moves the information: what the last token sees, cut in a window of layers"
	layersTitle   = "Layers may be swapped: two neighbours exchanged, or one left out"
)

// sections are the results in plain form, with so many rows of a table at most.
func hypothesisSections(h *hypothesis.Results, rows int) []pictures.Section {
	var out []pictures.Section
	if h == nil {
		return nil
	}
	if h.Memory != nil {
		out = append(out, memorySection(h.Memory, rows))
	}
	if h.Knockout != nil {
		out = append(out, knockoutSection(h.Knockout))
	}
	if h.Layers != nil {
		out = append(out, layersSection(h.Layers, rows))
	}
	return out
}

// rankName is what the memory's series shows: ranks span too many sizes to be
// seen themselves.
const rankName = "log10 of the answer's rank"

func memorySection(r *hypothesis.RecallResult, rows int) pictures.Section {
	s := pictures.Section{Title: memoryTitle, Text: []string{r.Sentence()}, Name: rankName}
	ranks := pictures.Series{Name: "rank of the answer"}
	for _, l := range r.Layers {
		ranks.Values = append(ranks.Values, math.Log10(float64(l.AnswerRank)))
	}
	s.Series = []pictures.Series{ranks}
	s.Table = &pictures.Table{Columns: []string{"layer", "answer's rank", "promotes", "strongest neurons"}}
	for _, l := range first(r.Layers, rows, func(a, b hypothesis.RecallLayer) int { return cmp.Compare(a.AnswerRank, b.AnswerRank) }, func(l hypothesis.RecallLayer) int { return l.Layer }) {
		s.Table.Rows = append(s.Table.Rows, []string{fmt.Sprint(l.Layer), thousands(int64(l.AnswerRank)), promotes(l.Promotes, 5), neurons(l.Neurons, 2)})
	}
	return s
}

// first takes the first rows in an order and lists them by layer.
func first[T any](all []T, rows int, order func(a, b T) int, layer func(T) int) []T {
	v := slices.Clone(all)
	slices.SortStableFunc(v, order)
	v = v[:min(rows, len(v))]
	slices.SortStableFunc(v, func(a, b T) int { return cmp.Compare(layer(a), layer(b)) })
	return v
}

// promotes quotes the first tokens of a list.
func promotes(p []hypothesis.Promoted, most int) string {
	var out []string
	for _, t := range p[:min(most, len(p))] {
		out = append(out, fmt.Sprintf("%q", t.Text))
	}
	return strings.Join(out, " ")
}

// neurons lists the first neurons, their share of the output, and what each
// promotes most.
func neurons(n []hypothesis.Neuron, most int) string {
	var out []string
	for _, x := range n[:min(most, len(n))] {
		out = append(out, fmt.Sprintf("%d (%.1f %%, %s)", x.Index, 100*x.Share, promotes(x.Promotes, 1)))
	}
	return strings.Join(out, ", ")
}

func knockoutSection(r *hypothesis.KnockoutResult) pictures.Section {
	s := pictures.Section{Title: knockoutTitle, Text: []string{r.Sentence()}, Axis: windowAxis(r.Window)}
	for _, x := range []pictures.Series{
		{Name: "subject cut", Values: r.SubjectCut}, {Name: "other tokens cut", Values: r.OthersCut}, {Name: "itself cut", Values: r.SelfCut},
	} {
		if x.Values != nil {
			s.Series = append(s.Series, x)
		}
	}
	return s
}

func windowAxis(window int) string {
	return fmt.Sprintf("centre of the window of %d layers", window)
}

func layersSection(r *hypothesis.LayersResult, rows int) pictures.Section {
	s := pictures.Section{Title: layersTitle, Text: []string{r.Sentence()}}
	s.Series = []pictures.Series{{Name: "dropped", Values: probabilities(r.Dropped, len(r.Dropped))}}
	if len(r.Exchanged) > 0 { // a model of one layer has no pairs
		s.Series = append(s.Series, pictures.Series{Name: "exchanged with the next", Values: probabilities(r.Exchanged, len(r.Dropped))})
	}
	s.Table = &pictures.Table{Columns: []string{"layer", "dropped: p", "answer", "perplexity", "exchanged: p", "answer", "perplexity"}}
	for _, d := range first(r.Dropped, rows, func(a, b hypothesis.LayerChange) int {
		return cmp.Or(cmp.Compare(b.Perplexity, a.Perplexity), cmp.Compare(a.P, b.P))
	}, func(c hypothesis.LayerChange) int { return c.Layer }) {
		row := append([]string{fmt.Sprint(d.Layer)}, changeFields(d)...)
		if d.Layer < len(r.Exchanged) {
			row = append(row, changeFields(r.Exchanged[d.Layer])...)
		} else {
			row = append(row, "", "", "")
		}
		s.Table.Rows = append(s.Table.Rows, row)
	}
	return s
}

// probabilities are those of changes by layer, a gap for each that is missing.
func probabilities(changes []hypothesis.LayerChange, layers int) []float64 {
	out := make([]float64, layers)
	for l := range out {
		out[l] = math.NaN()
		if l < len(changes) {
			out[l] = changes[l].P
		}
	}
	return out
}

func changeFields(c hypothesis.LayerChange) []string {
	answer := fmt.Sprintf("%q", c.Answer)
	if c.Kept {
		answer += ", kept"
	}
	return []string{percent(c.P), answer, perplexityText(c.Perplexity)}
}

// perplexityText is empty where it was not measured.
func perplexityText(p float64) string {
	switch {
	case p == 0:
		return ""
	case p >= 1e6:
		return fmt.Sprintf("%.1e", p)
	}
	return fmt.Sprintf("%.4g", p)
}
