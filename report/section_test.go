package report

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
)

// sampleSection has two lines, one with a band and a gap, and a table.
func sampleSection() Section {
	var knocked, control Series
	knocked.Name, control.Name = "attention knocked out", "control tokens"
	for j := range 12 {
		knocked.Values = append(knocked.Values, 0.8-0.6*math.Exp(-math.Pow(float64(j-8), 2)/6))
		control.Values = append(control.Values, 0.78)
		control.Half = append(control.Half, 0.02)
	}
	control.Values[3] = math.NaN()
	return Section{
		Title: "Attention knocked out around a layer", Text: []string{"The answer needs attention to the subject in layers 7 to 9."},
		Axis: "centre of the window", Name: "p(Seattle)", Series: []Series{knocked, control},
		Table: &Table{
			Columns: []string{"layer", "tokens that the FFN output promotes most", "gain"},
			Rows:    [][]string{{"4", " Seattle,  Washington,  Tower", "3.2"}, {"5", " tower,  building", "1.1"}},
		},
	}
}

func sectionText(t *testing.T, s Section, o TerminalOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSectionTerminal(&b, s, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSectionGolden(t *testing.T) {
	golden(t, "section.txt", []byte(sectionText(t, sampleSection(), TerminalOptions{})))
	golden(t, "section-256.txt", []byte(sectionText(t, sampleSection(), TerminalOptions{Colour: Colour256, Width: 60})))
}

// degenerateSections hold text and numbers of little use.
func degenerateSections() map[string]Section {
	nan := math.NaN()
	long := strings.Repeat("very long ", 30)
	return map[string]Section{
		"hostile": {
			Title: "<script>\x1b[2J", Text: []string{"</p>\u202e"}, Axis: "\x00", Name: "<b>", Series: []Series{{Name: "\"><b>", Values: []float64{1, 2}}},
			Table: &Table{Columns: []string{"<b>\xff"}, Rows: [][]string{{"</td><script>"}, {"=cmd|' /C calc'!A0"}}},
		},
		"not finite": {Title: "x", Series: []Series{{Values: []float64{nan}}, {Values: []float64{math.Inf(1), nan, 2}, Half: []float64{nan, 1, math.Inf(1)}}}},
		"flat":       {Title: "x", Series: []Series{{Values: []float64{0, 0, 0}}}},
		"huge":       {Title: "x", Series: []Series{{Values: []float64{1e300, -1e300, 1e-300}}}},
		"long":       {Title: long, Text: []string{long}, Axis: long, Series: []Series{{Name: long, Values: make([]float64, 200)}}, Table: &Table{Columns: []string{long, long, "c"}, Rows: [][]string{{"日本語", long, ""}}}},
		"no rows":    {Title: "x", Table: &Table{Columns: []string{"a"}}},
		"no columns": {Title: "x", Table: &Table{}},
		"text":       {Title: "x", Text: []string{"only"}},
	}
}

func TestSectionFits(t *testing.T) {
	for name, s := range degenerateSections() {
		for _, width := range []int{20, 33, 80, 200} {
			for c := NoColour; c <= TrueColour; c++ {
				checkLines(t, name, sgr.ReplaceAllString(sectionText(t, s, TerminalOptions{Width: width, Colour: c}), ""), width)
			}
		}
	}
}

// A table that does not fit in columns is written a line a field.
func TestNarrowTable(t *testing.T) {
	s := Section{Title: "t", Table: &Table{Columns: []string{"first column", "second column", "third column"}, Rows: [][]string{{"a", "b", "c"}}}}
	if text := sectionText(t, s, TerminalOptions{Width: 24}); !strings.Contains(text, "second column: b\n") {
		t.Errorf("got %q", text)
	}
	if text := sectionText(t, s, TerminalOptions{Width: 60}); !strings.Contains(text, "first column  second column  third column\na             b              c\n") {
		t.Errorf("got %q", text)
	}
}

func TestSectionRefuses(t *testing.T) {
	for name, s := range map[string]Section{
		"no title":  {Series: []Series{{Values: []float64{1}}}},
		"no values": {Title: "x", Series: []Series{{}}},
		"halves":    {Title: "x", Series: []Series{{Values: []float64{1}, Half: []float64{1, 2}}}},
		"ragged":    {Title: "x", Table: &Table{Columns: []string{"a"}, Rows: [][]string{{"1", "2"}}}},
	} {
		if WriteSectionTerminal(io.Discard, s, TerminalOptions{}) == nil || WriteHTML(io.Discard, Page{Sections: []Section{s}}) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
