package edit

import (
	"fmt"
	"strings"

	"retcon/fact"
	"retcon/internal/fault"
)

// Beyond these the text as a whole has changed, not a fact: mean KL, in nats.
const klWarn, klRefuse = 0.05, 0.5

// tryLayers is what may help an edit that did not take.
var tryLayers = fault.Any(fault.MoreSteps, fault.OtherLayer, fault.SeveralLayers)

// judgeOutcome returns the reasons to refuse an edit by what it did.
func judgeOutcome(f fact.Fact, before, after Outcome) (refusals []string) {
	switch {
	case !(after.LogProb > before.LogProb):
		refusals = append(refusals, fmt.Sprintf("the target is no likelier than before (%.3g, was %.3g)", after.Probability, before.Probability))
	case !after.Success && !f.Told(after.Completion):
		refusals = append(refusals, fmt.Sprintf("the model still says %q (the target is at %.3g, was %.3g); try %s",
			strings.TrimSpace(after.Completion), after.Probability, before.Probability, tryLayers))
	case !after.Success:
		refusals = append(refusals, "the old answer is still likelier than the target; try "+tryLayers)
	}
	return refusals
}

// weakNLL is the mean -log p of a target token, in nats, above which a fact that
// is told is told with less than even odds.
const weakNLL = 0.7

// judgeStrength returns advice on a fact that is told and not much likelier than
// others. What counts is the prompt itself: the rows of an optimisation have
// prefixes, and some of them are steps old.
func judgeStrength(after Outcome, tokens int) (warnings []string) {
	if after.Success && !(-after.LogProb <= weakNLL*float64(tokens)) {
		warnings = append(warnings, fmt.Sprintf("the target is said, but with %.0f %% only; %s may help", 100*after.Probability, fault.Any(fault.MoreSteps, fault.OtherLayer)))
	}
	return warnings
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
