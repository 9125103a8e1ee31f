package average

import (
	"encoding/json"
	"math"
)

// Mean is a mean over facts and the half width of its 95 % interval, 1.96
// s / sqrt n with the sample's standard deviation s.
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

// moments are running moments by Welford's method.
type moments struct {
	n             int
	mu, deviation float64
}

func (m *moments) add(v float64) {
	m.n++
	d := v - m.mu
	m.mu += d / float64(m.n)
	m.deviation += d * (v - m.mu)
}

func (m *moments) mean() Mean {
	out := Mean{Facts: m.n, Mean: m.mu, Half: math.NaN()}
	if m.n > 1 {
		n := float64(m.n)
		out.Half = 1.96 * math.Sqrt(m.deviation/(n-1)) / math.Sqrt(n)
	}
	return out
}

// series are the moments of each layer.
type series []moments

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
