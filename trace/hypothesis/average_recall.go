package hypothesis

import "fmt"

// RecallAverage is the mean of several results, by layer.
type RecallAverage struct {
	Facts      int    `json:"facts"`
	Vocab      int    `json:"vocab"`
	AnswerRank []Mean `json:"answer_rank"` // the answer's rank among what the layer promotes
	TopTen     []Mean `json:"top_ten"`     // share of facts whose answer is among the first ten
	AnyTopTen  Mean   `json:"any_top_ten"` // the same, in any layer
}

// AverageRecall averages results of one model.
func AverageRecall(results []*RecallResult) (*RecallAverage, error) {
	if err := alike(results, func(r *RecallResult) [2]int { return [2]int{r.Vocab, len(r.Layers)} }); err != nil {
		return nil, err
	}
	layers := len(results[0].Layers)
	a := &RecallAverage{Facts: len(results), Vocab: results[0].Vocab}
	a.AnswerRank = byLayer(results, layers, func(r *RecallResult, l int) float64 { return float64(r.Layers[l].AnswerRank) })
	a.TopTen = sharesByLayer(results, layers, func(r *RecallResult, l int) bool { return r.Layers[l].AnswerRank <= topTen })
	facts := 0
	for _, r := range results {
		for _, l := range r.Layers {
			if l.AnswerRank <= topTen {
				facts++
				break
			}
		}
	}
	a.AnyTopTen = shareOf(facts, len(results))
	return a, nil
}

// Sentence says what was measured, with 95 % intervals.
func (a *RecallAverage) Sentence() string {
	rank, top := 0, 0
	for l := range a.AnswerRank {
		if a.AnswerRank[l].Mean < a.AnswerRank[rank].Mean {
			rank = l
		}
		if a.TopTen[l].Mean > a.TopTen[top].Mean {
			top = l
		}
	}
	m := a.AnswerRank[rank]
	s := fmt.Sprintf("Over %d facts, the FFN outputs at the subject's last token rank the answer best in layer %d: number %.0f on average (%.0f to %.0f) of %d tokens, a random token being number %d; ",
		a.Facts, rank, m.Mean, max(1, m.Low), m.High, a.Vocab, (a.Vocab+1)/2)
	if a.AnyTopTen.Mean == 0 {
		return s + "it is among the first ten of no layer for any fact."
	}
	return s + fmt.Sprintf("it is among the first ten of some layer for %s of the facts, of layer %d, most of all, for %s.", a.AnyTopTen.text(), top, a.TopTen[top].text())
}
