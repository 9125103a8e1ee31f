package hypothesis

import (
	"fmt"
	"strings"
)

// topTen is how far down a list an answer counts as promoted.
const topTen = 10

// Sentence says what was measured.
func (r *RecallResult) Sentence() string {
	best, in := 0, 0
	for i, l := range r.Layers {
		if l.AnswerRank < r.Layers[best].AnswerRank {
			best = i
		}
		if l.AnswerRank <= topTen {
			in++
		}
	}
	n := len(r.Layers)
	l := r.Layers[best]
	s := fmt.Sprintf("At %q, the subject's last token, the FFN output that promotes the answer %q most is that of layer %d, where it is number %d of %d tokens (the best of %d random places would be near %d); it is among the first ten in %d of %d layers",
		r.At, r.Answer, l.Layer, l.AnswerRank, r.Vocab, n, (r.Vocab+1)/(n+1), in, n)
	if len(l.Neurons) > 0 {
		k := l.Neurons[0]
		s += fmt.Sprintf("; the strongest neuron of layer %d, %d, is %.1f %% of its output and promotes %s by itself", l.Layer, k.Index, 100*k.Share, texts(k.Promotes, 3))
	}
	return s + "."
}

// texts quotes the first tokens of a list.
func texts(p []Promoted, most int) string {
	var out []string
	for _, t := range p[:min(most, len(p))] {
		out = append(out, fmt.Sprintf("%q", t.Text))
	}
	return strings.Join(out, ", ")
}
