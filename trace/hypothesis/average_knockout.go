package hypothesis

import "fmt"

// KnockoutAverage is the mean of several knock-outs, by layer.
type KnockoutAverage struct {
	Facts      int    `json:"facts"`
	Window     int    `json:"window"`
	PClean     Mean   `json:"p_clean"`
	SubjectCut []Mean `json:"subject_cut"`
	// OthersCut is over the facts whose prompts have other tokens, absent where
	// fewer than two do.
	OthersCut []Mean `json:"others_cut,omitempty"`
	SelfCut   []Mean `json:"self_cut"`
}

// AverageKnockout averages results of one model with one window.
func AverageKnockout(results []*KnockoutResult) (*KnockoutAverage, error) {
	if err := alike(results, func(r *KnockoutResult) [2]int { return [2]int{r.Window, len(r.SubjectCut)} }); err != nil {
		return nil, err
	}
	layers := len(results[0].SubjectCut)
	a := &KnockoutAverage{Facts: len(results), Window: results[0].Window}
	var clean []float64
	var withOthers []*KnockoutResult
	for _, r := range results {
		clean = append(clean, r.PClean)
		if r.OthersCut != nil {
			withOthers = append(withOthers, r)
		}
	}
	a.PClean = meanOf(clean)
	a.SubjectCut = byLayer(results, layers, func(r *KnockoutResult, l int) float64 { return r.SubjectCut[l] })
	if len(withOthers) > 1 {
		a.OthersCut = byLayer(withOthers, layers, func(r *KnockoutResult, l int) float64 { return r.OthersCut[l] })
	}
	a.SelfCut = byLayer(results, layers, func(r *KnockoutResult, l int) float64 { return r.SelfCut[l] })
	return a, nil
}

// Sentence says what was measured, means with their 95 % intervals.
func (a *KnockoutAverage) Sentence() string {
	s := knockoutSeries(fmt.Sprintf("the answer's mean probability over %d facts", a.Facts), a.Window)
	s.clean, s.cleanText = a.PClean.Mean, a.PClean.text()
	s.add(means(a.SubjectCut), func(l int) string { return a.SubjectCut[l].text() })
	s.add(means(a.OthersCut), func(l int) string { return a.OthersCut[l].text() })
	s.add(means(a.SelfCut), func(l int) string { return a.SelfCut[l].text() })
	return s.String()
}
