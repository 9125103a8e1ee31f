package edit

import (
	"fmt"
	"math"
	"strings"

	"retcon/fact"
)

// The bounds by which an update is judged.
const (
	// A good ROME edit is 5 to 35 % of its weight's norm. One as large as the
	// weight overwrites the layer.
	relativeWarn, relativeRefuse = 0.5, 1.0
	// u and k* point the same way for any positive C; where the cosine is this
	// small, the update answers to other keys a hundred, or a thousand, times
	// as much as to its own.
	cosineWarn, cosineRefuse = 0.01, 0.001
	// The optimisation is expected to bring the target to even odds.
	nllWarn = 0.7
	// Beyond these the text as a whole has changed, not a fact.
	klWarn, klRefuse = 0.05, 0.5
)

// judge returns advice on an update, and the reasons to refuse it.
func (r *Rank) judge() (warnings, refusals []string) {
	p := r.Report
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	refuse := func(format string, args ...any) { refusals = append(refusals, fmt.Sprintf(format, args...)) }
	cosine := math.Abs(p.Denominator) / p.KeyNorm
	switch {
	case !(cosine >= cosineRefuse):
		refuse("the denominator %.3g is nothing against ||k*|| = %.3g; take more text for the covariance, or --covariance diagonal", p.Denominator, p.KeyNorm)
	case cosine < cosineWarn:
		warn("the denominator %.3g is small against ||k*|| = %.3g: other facts may move; more text for the covariance helps", p.Denominator, p.KeyNorm)
	}
	relative := p.DeltaNorm / p.WeightNorm
	switch {
	case !(relative <= relativeRefuse):
		refuse("the update is %.0f %% of the weight's norm; lower --clamp, or choose another --layer", 100*relative)
	case relative > relativeWarn:
		warn("the update is large, %.0f %% of the weight's norm: check other facts, or lower --clamp", 100*relative)
	}
	if p.AtClamp {
		warn("the value is at its bound (--clamp %.3g times the output): a higher bound or another layer may do better", p.ValueNorm/p.OutputNorm)
	}
	if !(p.NLL <= nllWarn) {
		warn("the optimisation ended with a target at %.0f %%; more --steps or another --layer may help", 100*math.Exp(-p.NLL))
	}
	return warnings, refusals
}

// judgeOutcome returns the reasons to refuse an edit by what it did.
func judgeOutcome(f fact.Fact, before, after Outcome) (refusals []string) {
	switch {
	case !(after.LogProb > before.LogProb):
		refusals = append(refusals, fmt.Sprintf("the target is no likelier than before (%.3g, was %.3g)", after.Probability, before.Probability))
	case !after.Success && !fact.StartsWith(after.Completion, f.New):
		refusals = append(refusals, fmt.Sprintf("the model still says %q (the target is at %.3g, was %.3g); try more --steps, another --layer or --layer auto",
			strings.TrimSpace(after.Completion), after.Probability, before.Probability))
	case !after.Success:
		refusals = append(refusals, "the old answer is still likelier than the target; try more --steps, another --layer or --layer auto")
	}
	return refusals
}

// judgeSide returns advice on side effects, and the reasons to refuse them.
func judgeSide(s SideEffects) (warnings, refusals []string) {
	switch {
	case !(s.KL <= klRefuse):
		refusals = append(refusals, fmt.Sprintf("other text changed as a whole: mean KL %.3g, %.0f %% of likeliest tokens the same", s.KL, 100*s.SameTop1))
	case s.KL > klWarn:
		warnings = append(warnings, fmt.Sprintf("other text changed noticeably: mean KL %.3g, %.0f %% of likeliest tokens the same", s.KL, 100*s.SameTop1))
	}
	return warnings, refusals
}
