package average

import (
	"encoding/json"

	"retcon/internal/stats"
)

// Mean is a mean over facts and the half width of its 95 % interval, Student's.
type Mean struct {
	Facts int
	Mean  float64 // 0 without facts
	Half  float64 // NaN with fewer than two facts
}

// MarshalJSON writes {facts, mean, half}, null for what is not known.
func (m Mean) MarshalJSON() ([]byte, error) {
	v := struct {
		Facts int      `json:"facts"`
		Mean  *float64 `json:"mean"`
		Half  *float64 `json:"half"`
	}{Facts: m.Facts}
	if m.Facts > 0 {
		v.Mean = &m.Mean
	}
	if m.Facts > 1 {
		v.Half = &m.Half
	}
	return json.Marshal(v)
}

// Series are means by layer over the same facts, and the half widths of their
// 95 % intervals: empty without facts, and the half widths with fewer than two.
type Series struct {
	Facts int       `json:"facts"`
	Mean  []float64 `json:"mean"`
	Half  []float64 `json:"half"`
}

// Peak is the layer with the highest mean, -1 without facts.
func (s Series) Peak() int {
	best := -1
	for l, v := range s.Mean {
		if best < 0 || v > s.Mean[best] {
			best = l
		}
	}
	return best
}

// sample are the values of a measure, one a fact.
type sample []float64

func (m *sample) add(v float64) { *m = append(*m, v) }

func (m sample) mean() Mean {
	e := stats.Mean(m)
	return Mean{Facts: e.N, Mean: e.Mean, Half: e.Half()}
}

// series are the values of each layer.
type series []sample

// add adds values less base, unless there are none.
func (s series) add(values []float64, base float64) {
	for l, v := range values {
		s[l].add(v - base)
	}
}

func (s series) means() Series {
	out := Series{Mean: []float64{}, Half: []float64{}}
	for l := range s {
		m := s[l].mean()
		out.Facts = m.Facts
		if m.Facts > 0 {
			out.Mean = append(out.Mean, m.Mean)
		}
		if m.Facts > 1 {
			out.Half = append(out.Half, m.Half)
		}
	}
	return out
}
