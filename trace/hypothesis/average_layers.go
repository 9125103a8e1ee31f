package hypothesis

import (
	"fmt"

	"retcon/internal/human"
)

// LayersAverage is the mean of several results, by layer.
type LayersAverage struct {
	Facts      int         `json:"facts"`
	PClean     Mean        `json:"p_clean"`
	TextTokens int         `json:"text_tokens"`
	Perplexity float64     `json:"perplexity,omitempty"`
	Exchanged  []LayerMean `json:"exchanged"` // layers i and i+1
	Dropped    []LayerMean `json:"dropped"`   // layer i
}

// LayerMean is what a changed model does on average. The perplexity is that of
// the first result with a text.
type LayerMean struct {
	Layer      int     `json:"layer"`
	P          Mean    `json:"p"`
	Kept       Mean    `json:"kept"` // share of facts whose answer stays
	Perplexity float64 `json:"perplexity,omitempty"`
}

// AverageLayers averages results of one model.
func AverageLayers(results []*LayersResult) (*LayersAverage, error) {
	if err := alike(results, func(r *LayersResult) [2]int { return [2]int{len(r.Dropped), len(r.Exchanged)} }); err != nil {
		return nil, err
	}
	a := &LayersAverage{Facts: len(results)}
	text := results[0]
	var clean []float64
	for _, r := range results {
		clean = append(clean, r.PClean)
		if text.TextTokens == 0 {
			text = r
		}
	}
	a.PClean, a.TextTokens, a.Perplexity = meanOf(clean), text.TextTokens, text.Perplexity
	average := func(of func(*LayersResult) []LayerChange) []LayerMean {
		changes := of(text)
		p := byLayer(results, len(changes), func(r *LayersResult, l int) float64 { return of(r)[l].P })
		kept := sharesByLayer(results, len(changes), func(r *LayersResult, l int) bool { return of(r)[l].Kept })
		out := make([]LayerMean, len(changes))
		for l, c := range changes {
			out[l] = LayerMean{Layer: c.Layer, P: p[l], Kept: kept[l], Perplexity: c.Perplexity}
		}
		return out
	}
	a.Exchanged = average(func(r *LayersResult) []LayerChange { return r.Exchanged })
	a.Dropped = average(func(r *LayersResult) []LayerChange { return r.Dropped })
	return a, nil
}

// Sentence says what was measured.
func (a *LayersAverage) Sentence() string {
	s := fmt.Sprintf("Over %d facts, exchanging two neighbouring layers keeps the answer in %s", a.Facts, layerMeansText(a.Exchanged, pairName))
	s += fmt.Sprintf("; leaving one out keeps it in %s", layerMeansText(a.Dropped, layerName))
	if a.TextTokens > 0 {
		s += fmt.Sprintf("; unchanged, the model has perplexity %s on that text of %d tokens", figure(a.Perplexity), a.TextTokens)
	}
	return s + "."
}

// layerMeansText gives the mean over layers and the worst of them.
func layerMeansText(v []LayerMean, name func(int) string) string {
	if len(v) == 0 {
		return "none of 0 cases"
	}
	sum, worst := 0.0, v[0]
	var perplexities []float64
	for _, m := range v {
		sum += m.Kept.Mean / float64(len(v))
		if m.Kept.Mean < worst.Kept.Mean {
			worst = m
		}
		perplexities = append(perplexities, m.Perplexity)
	}
	s := fmt.Sprintf("%s of cases (least with %s: %s", human.Share(sum), name(worst.Layer), worst.Kept.text())
	if worst.Perplexity > 0 {
		s += fmt.Sprintf("; median perplexity %s", figure(median(perplexities)))
	}
	return s + ")"
}
