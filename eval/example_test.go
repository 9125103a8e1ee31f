package eval_test

import (
	"fmt"

	"retcon/eval"
)

// Values of records become means with 95 % intervals, and the score S, the
// harmonic mean of efficacy, paraphrase and neighbourhood.
func ExampleSummarise() {
	summary := eval.Summarise([]eval.Values{
		{eval.Efficacy: 100, eval.Paraphrase: 100, eval.Neighbourhood: 80},
		{eval.Efficacy: 100, eval.Paraphrase: 50, eval.Neighbourhood: 90},
		{eval.Efficacy: 100, eval.Paraphrase: 90, eval.Neighbourhood: 70},
	})
	for _, name := range []string{eval.Score, eval.Efficacy, eval.Paraphrase, eval.Neighbourhood} {
		fmt.Printf("%s %.1f\n", name, summary[name].Value)
	}
	// Output:
	// score 85.7
	// efficacy 100.0
	// paraphrase 80.0
	// neighbourhood 80.0
}
