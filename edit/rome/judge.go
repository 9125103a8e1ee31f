package rome

import (
	"fmt"
	"math"

	"retcon/internal/fault"
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
)

// judge returns advice on an update, and the reasons to refuse it.
func (r *Rank) judge() (warnings, refusals []string) {
	p := r.Report
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	refuse := func(format string, args ...any) { refusals = append(refusals, fmt.Sprintf(format, args...)) }
	cosine := math.Abs(p.Denominator) / p.KeyNorm
	switch {
	case !(cosine >= cosineRefuse):
		refuse("the denominator %.3g is nothing against ||k*|| = %.3g; try %s", p.Denominator, p.KeyNorm, fault.Any(fault.LongerText, fault.Diagonal))
	case cosine < cosineWarn:
		warn("the denominator %.3g is small against ||k*|| = %.3g: other facts may move; more text for the covariance helps", p.Denominator, p.KeyNorm)
	}
	relative := p.DeltaNorm / p.WeightNorm
	switch {
	case !(relative <= relativeRefuse):
		refuse("the update is %.0f %% of the weight's norm; try %s", 100*relative, fault.Any(fault.LowerClamp, fault.OtherLayer))
	case relative > relativeWarn:
		warn("the update is large, %.0f %% of the weight's norm: check other facts, or try %s", 100*relative, fault.LowerClamp)
	}
	if p.AtClamp {
		warn("the value is at its bound, %.3g times the output: %s may do better", p.ValueNorm/p.OutputNorm, fault.Any(fault.HigherClamp, fault.OtherLayer))
	}
	return warnings, refusals
}
