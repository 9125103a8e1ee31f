package hypothesis

import "fmt"

// Averages are the means of all parts over facts, nil for a part that fewer than
// two facts have.
type Averages struct {
	Memory   *RecallAverage   `json:"memory,omitempty"`
	Knockout *KnockoutAverage `json:"knockout,omitempty"`
	Layers   *LayersAverage   `json:"layers,omitempty"`
}

// Average averages the results of one model; nil ones have no part in it, and
// without others there is no average. The warnings say what is missing.
func Average(results []*Results) (a *Averages, warnings []string, err error) {
	var memory []*RecallResult
	var knockout []*KnockoutResult
	var layers []*LayersResult
	leftOut, last := 0, ""
	any := false
	for _, r := range results {
		if r == nil {
			continue
		}
		any = true
		if r.Memory != nil {
			memory = append(memory, r.Memory)
		}
		if r.Knockout != nil {
			knockout = append(knockout, r.Knockout)
		}
		if r.Layers != nil {
			layers = append(layers, r.Layers)
		}
		if len(r.LeftOut) > 0 {
			leftOut, last = leftOut+1, r.LeftOut[0]
		}
	}
	if !any {
		return nil, nil, nil
	}
	if leftOut > 0 {
		warnings = append(warnings, fmt.Sprintf("parts of the hypothesis were not measured on %d facts: %s", leftOut, last))
	}
	if min(len(memory), len(knockout), len(layers)) < 2 {
		warnings = append(warnings, "averages of the hypothesis take two facts that the model gets right")
	}
	a = &Averages{}
	if a.Memory, err = ofTwo(memory, AverageRecall); err != nil {
		return nil, nil, err
	}
	if a.Knockout, err = ofTwo(knockout, AverageKnockout); err != nil {
		return nil, nil, err
	}
	if a.Layers, err = ofTwo(layers, AverageLayers); err != nil {
		return nil, nil, err
	}
	return a, warnings, nil
}

// ofTwo averages two results at least; nil of fewer.
func ofTwo[R, A any](results []*R, average func([]*R) (*A, error)) (*A, error) {
	if len(results) < 2 {
		return nil, nil
	}
	return average(results)
}
