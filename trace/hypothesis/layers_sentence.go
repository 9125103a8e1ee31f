package hypothesis

import (
	"fmt"
	"slices"

	"retcon/internal/human"
)

// Sentence says what was measured.
func (r *LayersResult) Sentence() string {
	s := fmt.Sprintf("Exchanging two neighbouring layers keeps the answer %q, of %s, in %s", r.Answer, human.Share(r.PClean), changesText(r.Exchanged, "pairs", pairName))
	s += fmt.Sprintf("; leaving one out keeps it in %s", changesText(r.Dropped, "cases", layerName))
	if r.TextTokens > 0 {
		s += fmt.Sprintf("; unchanged, the model has perplexity %s on that text of %d tokens", figure(r.Perplexity), r.TextTokens)
	}
	return s + "."
}

func pairName(l int) string { return fmt.Sprintf("layers %d and %d", l, l+1) }

func layerName(l int) string { return fmt.Sprintf("layer %d", l) }

// changesText counts changes and gives their middle and the worst of them.
func changesText(changes []LayerChange, what string, name func(int) string) string {
	if len(changes) == 0 {
		return "none of 0 " + what
	}
	kept, worst := 0, changes[0]
	var p, perplexities []float64
	for _, c := range changes {
		if c.Kept {
			kept++
		}
		if c.Perplexity > worst.Perplexity {
			worst = c
		}
		p, perplexities = append(p, c.P), append(perplexities, c.Perplexity)
	}
	s := fmt.Sprintf("%d of %d %s (median %s", kept, len(changes), what, human.Share(median(p)))
	if worst.Perplexity > 0 {
		s += fmt.Sprintf("; median perplexity %s, highest %s with %s", figure(median(perplexities)), figure(worst.Perplexity), name(worst.Layer))
	}
	return s + ")"
}

// median is the middle value, or the mean of the two in the middle.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
