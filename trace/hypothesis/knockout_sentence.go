package hypothesis

import (
	"fmt"
	"strings"

	"retcon/internal/human"
	"retcon/trace/result"
)

// Sentence says what was measured.
func (r *KnockoutResult) Sentence() string {
	s := knockoutSeries(fmt.Sprintf("the answer %q", r.Answer), r.Window)
	s.clean, s.cleanText = r.PClean, human.Share(r.PClean)
	for _, v := range [][]float64{r.SubjectCut, r.OthersCut, r.SelfCut} {
		s.add(v, func(l int) string { return human.Share(v[l]) })
	}
	return s.String()
}

// knockoutText makes the sentence of one result or of an average.
type knockoutText struct {
	answer    string
	window    int
	clean     float64
	cleanText string
	values    [][]float64 // by layer: the subject cut, others, the last token itself
	text      []func(layer int) string
}

func knockoutSeries(answer string, window int) *knockoutText {
	return &knockoutText{answer: answer, window: window}
}

func (k *knockoutText) add(values []float64, text func(layer int) string) {
	k.values, k.text = append(k.values, values), append(k.text, text)
}

func (k *knockoutText) String() string {
	subject, text := k.values[0], k.text[0]
	at := lowest(subject)
	around := func(l int) string { return span(result.Window(l, k.window, len(subject))) }
	var s string
	if subject[at] < k.clean {
		s = fmt.Sprintf("Cutting the last token's view of the subject takes %s from %s to %s in %s, lower than in any other window", k.answer, k.cleanText, text(at), around(at))
	} else {
		s = fmt.Sprintf("Cutting the last token's view of the subject lowers %s in no window: from %s it goes to %s at the lowest, in %s", k.answer, k.cleanText, text(at), around(at))
	}
	var controls []string
	for i, what := range []string{"the other earlier tokens", "itself"} {
		if v := k.values[i+1]; v != nil {
			low := lowest(v)
			controls = append(controls, fmt.Sprintf("of %s leaves %s there and %s at the lowest, in %s", what, k.text[i+1](at), k.text[i+1](low), around(low)))
		}
	}
	return s + "; cutting its view " + strings.Join(controls, ", ") + "."
}

// lowest is the index of the least value.
func lowest(v []float64) int {
	at := 0
	for i := range v {
		if v[i] < v[at] {
			at = i
		}
	}
	return at
}
