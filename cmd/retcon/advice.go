package main

import (
	"strings"

	"retcon/internal/fault"
)

// adviceFlags words advice by flags.
var adviceFlags = map[fault.Advice]string{
	fault.GiveText:           "give a longer --corpus",
	fault.MoreTime:           "raise --stats-time",
	fault.DiagonalCovariance: "take --covariance diagonal",
	fault.OtherLayer:         "try another --layer",
	fault.AutoLayer:          "try --layer auto",
	fault.MoreSteps:          "raise --steps",
	fault.ShorterSteps:       "lower --max-step",
	fault.LowerClamp:         "lower --clamp",
	fault.RaiseClamp:         "raise --clamp",
	fault.WriteAdapter:       "write an adapter with --lora",
	fault.GiveImportance:     "give an importance matrix with --imatrix",
	fault.GiveRequests:       "name what to score with --requests FILE",
	fault.GiveTemplate:       "give a template in Jinja with --chat-template-file, or do without chat",
	fault.Force:              "--force does it nevertheless",
	fault.Resume:             "--resume goes on with it",
}

// adviceText is the advice that comes with an error as the end of a sentence;
// empty without any.
func adviceText(err error) string {
	var all []string
	for _, a := range fault.AdviceOf(err) {
		all = append(all, adviceFlags[a])
	}
	switch n := len(all); n {
	case 0:
		return ""
	case 1:
		return "; " + all[0]
	default:
		return "; " + strings.Join(all[:n-1], ", ") + " or " + all[n-1]
	}
}
