package rome

import (
	"context"
	"fmt"
	"math"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/internal/fault"
	"retcon/internal/neutral"
	"retcon/internal/vec"
	"retcon/lm"
)

// The bare prompt's key is a constraint of its own where u·k* = 1 leaves it
// less than shareLeast of the value; below it the edit is often not seen there
// (r-ROME's lower efficacy). A subject that opens the prompt is the usual case.
const shareLeast = 0.75

// leakMost is the most, of the value, that the key of other texts' first tokens
// may get when a first token's key is a constraint of its own. Beyond it the
// edit would speak at the start of every text (methods: C-ROME).
const leakMost = 0.5

// leftOf computes the vector l with which the update is delta lᵀ.
//
// One key: l = C⁻¹k* / (k*ᵀC⁻¹k*). In the original form the denominator is the
// bare key's. Two keys K = [k* k], of the prefixed and the bare prompt, both
// with the residual delta, by the least-squares form of EMMET without slack,
//
//	Delta = R (KᵀC⁻¹K)⁻¹ KᵀC⁻¹,  R = delta [1 1]
//
// which is still of rank one, with l = C⁻¹K (KᵀC⁻¹K)⁻¹ [1 1]ᵀ.
func (e *romeEdit) leftOf(ctx context.Context, c covariance.Solver, h HParams) ([]float64, error) {
	r, keys := e.Rank, e.keys
	r.Report.Keys = 1
	u, err := solveUnit(ctx, c, r.MeanKey)
	if err != nil {
		return nil, err
	}
	if h.Denominator == Original {
		return vec.Scaled(u, 1/vec.Dot(u, keys[0])), nil
	}
	l := vec.Scaled(u, 1/vec.Dot(u, r.MeanKey))
	if len(keys) < 2 || vec.Dot(l, keys[0]) >= shareLeast {
		return l, nil
	}
	prefixed := vec.Mean(keys[1:])
	two, err := twoKeys(ctx, c, prefixed, vec.Widen(keys[0]))
	if err != nil {
		return nil, err
	}
	leak := leakOf(e.first, two)
	if leak <= leakMost {
		r.MeanKey, r.Report.Keys = prefixed, 2
		return two, nil
	}
	r.Warnings = append(r.Warnings, fmt.Sprintf("%q opens the prompt, where its key is like that of any first token (%.0f %% of the change would show there): "+
		"the edit is made for prompts with text before the subject and may not show without", e.fact.Subject, 100*leak))
	return prefixedOnly(ctx, c, keys, r)
}

// prefixedOnly is the one-key form for the prefixed prompts alone.
func prefixedOnly(ctx context.Context, c covariance.Solver, keys [][]float32, r *Rank) ([]float64, error) {
	r.Sink, r.Report.Keys = true, 1
	r.MeanKey = vec.Mean(keys[1:])
	u, err := solveUnit(ctx, c, r.MeanKey)
	if err != nil {
		return nil, err
	}
	return vec.Scaled(u, 1/vec.Dot(u, r.MeanKey)), nil
}

// solveUnit is C⁻¹k of unit length.
func solveUnit(ctx context.Context, c covariance.Solver, k []float64) ([]float64, error) {
	u := make([]float64, len(k))
	if err := c.Solve(ctx, u, k); err != nil {
		return nil, err
	}
	size := vec.Norm(u)
	if !(size > 0) || math.IsInf(size, 0) {
		return nil, fault.Errorf(edit.ErrRefused, "C⁻¹k has norm %v", size)
	}
	return vec.Scaled(u, 1/size), nil
}

// twoKeys is C⁻¹K (KᵀC⁻¹K)⁻¹ [1 1]ᵀ for K = [a b].
func twoKeys(ctx context.Context, c covariance.Solver, a, b []float64) ([]float64, error) {
	ua, ub := make([]float64, len(a)), make([]float64, len(b))
	if err := c.Solve(ctx, ua, a); err != nil {
		return nil, err
	}
	if err := c.Solve(ctx, ub, b); err != nil {
		return nil, err
	}
	aa, ab, bb := vec.Dot(a, ua), vec.Dot(a, ub), vec.Dot(b, ub)
	det := aa*bb - ab*ab
	x, y := (bb-ab)/det, (aa-ab)/det
	for i := range ua {
		ua[i] = x*ua[i] + y*ub[i]
	}
	return ua, nil
}

// firstKeys are the keys of the first tokens of unrelated texts.
func firstKeys(ctx context.Context, m lm.Model, layer int) ([][]float32, error) {
	var rows []lm.Row
	for _, text := range neutral.Paragraphs()[:min(8, len(neutral.Paragraphs()))] {
		tokens, err := m.Tokenize(text, false)
		if err != nil {
			return nil, err
		}
		if len(tokens) > 1 {
			// A token after it keeps the row whole in models that drop a
			// text's last token early.
			rows = append(rows, lm.Row{Tokens: lm.IDs(tokens[:2]), At: 0})
		}
	}
	keys, _, err := m.Keys(ctx, layer, rows)
	return keys, err
}

// leakOf is the largest share of the value that these keys would get.
func leakOf(keys [][]float32, left []float64) float64 {
	var most float64
	for _, k := range keys {
		most = max(most, math.Abs(vec.Dot(left, k)))
	}
	return most
}
