package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"retcon/trace/result"
)

// The data of a page as its reader can download them. A value that is not finite
// is null.
type (
	dataDoc struct {
		Schema   int           `json:"schema"`
		Title    string        `json:"title"`
		Notes    []string      `json:"notes"`
		Trace    *traceData    `json:"trace,omitempty"`
		Average  *averageData  `json:"average,omitempty"`
		Sections []sectionData `json:"sections"`
	}
	traceData struct {
		Prompt   string        `json:"prompt"`
		Tokens   []string      `json:"tokens"`
		Bytes    [][]byte      `json:"tokens_bytes,omitempty"`
		Subject  [2]int        `json:"subject"`
		Answer   string        `json:"answer"`
		Noise    value         `json:"noise"`
		Samples  int           `json:"samples"`
		Window   int           `json:"window"`
		Measures []measureData `json:"measures"`
	}
	measureData struct {
		Name      string       `json:"name"`
		Word      string       `json:"word"` // before a value
		Clean     value        `json:"clean"`
		Corrupted value        `json:"corrupted"`
		Symmetric bool         `json:"symmetric"`
		Grids     []gridData   `json:"grids"`
		Severed   *severedData `json:"severed,omitempty"`
	}
	gridData struct {
		Kind        string    `json:"kind"`
		Title       string    `json:"title"`
		Axis        string    `json:"axis"`
		Approximate bool      `json:"approximate"`
		Values      [][]value `json:"values"` // [token][layer]
	}
	severedData struct {
		Single      []value `json:"single,omitempty"`
		MLPSevered  []value `json:"mlp_severed,omitempty"`
		AttnSevered []value `json:"attn_severed,omitempty"`
	}
	averageData struct {
		Title      string              `json:"title"`
		Facts      int                 `json:"n"`
		Clean      value               `json:"p_clean"`
		Corrupted  value               `json:"p_corrupted"`
		Effect     value               `json:"total_effect"`
		EffectHalf value               `json:"total_effect_half_width"`
		Noise      value               `json:"noise"`
		Samples    int                 `json:"samples"`
		Window     int                 `json:"window"`
		Rows       []string            `json:"rows"`
		Counts     []int               `json:"counts"`
		Grids      []averageGridData   `json:"grids"`
		Severed    map[string]bandData `json:"severed,omitempty"`
		Suggestion string              `json:"suggestion,omitempty"`
	}
	averageGridData struct {
		Kind        string    `json:"kind"`
		Title       string    `json:"title"`
		Axis        string    `json:"axis"`
		Approximate bool      `json:"approximate"`
		Effect      [][]value `json:"effect"` // [row][layer]
		Half        [][]value `json:"half_width,omitempty"`
	}
	bandData struct {
		Mean []value `json:"mean"`
		Half []value `json:"half_width,omitempty"`
	}
	sectionData struct {
		Title  string       `json:"title"`
		Text   []string     `json:"text"`
		Name   string       `json:"name"`
		Axis   string       `json:"axis"`
		Series []seriesData `json:"series"`
		Table  *tableData   `json:"table,omitempty"`
	}
	seriesData struct {
		Name   string  `json:"name"`
		Values []value `json:"values"`
		Half   []value `json:"half_width,omitempty"`
	}
	tableData struct {
		Columns []string   `json:"columns"`
		Rows    [][]string `json:"rows"`
	}
)

// dataSchema is the version of the data.
const dataSchema = 1

// value is a number that may be missing.
type value float64

func (v value) MarshalJSON() ([]byte, error) {
	if !finite(float64(v)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(v))
}

// pageData is the data of a page as JSON in ASCII, without the characters that
// mean something in HTML.
func pageData(p Page) ([]byte, error) {
	d := dataDoc{Schema: dataSchema, Title: p.Title, Notes: append([]string{}, p.Notes...), Sections: []sectionData{}}
	if p.Trace != nil {
		d.Trace = dataOfTrace(p.Trace)
	}
	if p.Average != nil {
		d.Average = p.Average.data()
	}
	for _, s := range p.Sections {
		d.Sections = append(d.Sections, s.data())
	}
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("report: data of the page: %w", err)
	}
	return ascii(b), nil
}

// ascii escapes all else in JSON, so that no character can act in the source.
func ascii(b []byte) []byte {
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r < 0x7f:
			out.WriteByte(b[0])
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return []byte(out.String())
}

func dataOfTrace(t *result.Trace) *traceData {
	d := &traceData{
		Prompt: t.Prompt, Tokens: append([]string{}, t.Tokens...), Bytes: t.TokensBytes, Subject: t.Subject, Answer: t.Answer,
		Noise: value(t.Noise), Samples: t.Samples, Window: t.Window,
	}
	for _, r := range readings(t) {
		v := r.coloured()
		one := measureData{
			Name: r.bar(), Word: v.measure.word, Clean: value(r.Clean), Corrupted: value(r.Corrupted),
			Symmetric: v.scale.symmetric, Grids: []gridData{},
		}
		for _, g := range v.grids {
			one.Grids = append(one.Grids, gridData{g.Kind.String(), g.Title, g.Axis, g.Approximate, grids(g.Values)})
		}
		if s := r.Severed; s != nil {
			one.Severed = &severedData{list(s.Single), list(s.MLPSevered), list(s.AttnSevered)}
		}
		d.Measures = append(d.Measures, one)
	}
	return d
}

func (a Average) data() *averageData {
	v := a.view()
	d := &averageData{
		Title: v.title, Facts: a.Facts, Clean: value(a.Clean), Corrupted: value(a.Corrupted), Effect: value(a.Effect), EffectHalf: value(a.EffectHalf),
		Noise: value(a.Noise), Samples: a.Samples, Window: a.Window, Rows: rowNames[:], Counts: a.Counts[:],
		Grids: []averageGridData{}, Suggestion: a.Suggestion,
	}
	for _, g := range v.grids {
		d.Grids = append(d.Grids, averageGridData{g.Kind.String(), g.Title, g.Axis, g.Approximate, grids(g.Values), grids(g.half)})
	}
	if s := a.Severed; s != nil {
		d.Severed = map[string]bandData{}
		for name, b := range map[string]Band{"single": s.Single, "mlp_severed": s.MLPSevered, "attn_severed": s.AttnSevered} {
			if len(b.Mean) > 0 {
				d.Severed[name] = bandData{list(b.Mean), list(b.Half)}
			}
		}
	}
	return d
}

func (s Section) data() sectionData {
	d := sectionData{Title: s.Title, Text: append([]string{}, s.Text...), Name: s.name(), Axis: s.axis(), Series: []seriesData{}}
	for _, l := range s.Series {
		d.Series = append(d.Series, seriesData{l.Name, list(l.Values), list(l.Half)})
	}
	if s.Table != nil {
		d.Table = &tableData{append([]string{}, s.Table.Columns...), append([][]string{}, s.Table.Rows...)}
	}
	return d
}

func list(v []float64) []value {
	if v == nil {
		return nil
	}
	out := make([]value, len(v))
	for i := range v {
		out[i] = value(v[i])
	}
	return out
}

func grids(v [][]float64) [][]value {
	if v == nil {
		return nil
	}
	out := make([][]value, len(v))
	for i := range v {
		out[i] = list(v[i])
	}
	return out
}
