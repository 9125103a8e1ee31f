package edit

import (
	"context"
	"errors"
	"fmt"
	"math"

	"retcon/edit/covariance"
)

// Rank is one computed edit with all that is reported of it.
type Rank struct {
	Update
	Report   UpdateReport
	Warnings []string
	// MeanKey is k* [n_ff]; Delta is v* - W k* [n_embd].
	MeanKey []float64
	Value   Value
	// Sink reports that the bare prompt's key could not be changed without
	// changing that of every text's first tokens: the fact is edited behind a
	// prefix only.
	Sink bool
}

// UpdateReport has the numbers by which an update is judged.
type UpdateReport struct {
	KeyNorm     float64 `json:"key_norm"`    // ||k*||
	Denominator float64 `json:"denominator"` // u·k*, u of unit length
	DeltaNorm   float64 `json:"delta_norm"`  // ||Delta||, Frobenius
	WeightNorm  float64 `json:"weight_norm"` // ||W||, Frobenius
	ValueNorm   float64 `json:"value_norm"`  // ||v* - W k*||
	OutputNorm  float64 `json:"output_norm"` // ||W k|| of the bare prompt
	BareShare   float64 `json:"bare_share"`  // share of the value that the bare prompt's key gets
	Keys        int     `json:"keys"`        // constraints: 1, or 2 with the bare key apart
	Steps       int     `json:"steps"`
	Loss        float64 `json:"loss"` // final, total
	NLL         float64 `json:"nll"`  // final
	AtClamp     bool    `json:"at_clamp"`
}

// romeEdit is the edit of one fact at a layer under way.
type romeEdit struct {
	*Rank
	fact         Fact
	rows         *editRows
	keys, values [][]float32
	left         []float64
}

// rome computes the update of one fact at a layer, on the model as it is
// applied now: rows, k*, u, v*, Delta (ROME, sections 3.1 and equation 2).
func rome(ctx context.Context, m Model, f Fact, layer int, prefixes []string, c covariance.Solver, h HParams, step func(int, StepLoss)) (*Rank, error) {
	e, err := newRomeEdit(ctx, m, f, layer, prefixes, c, h)
	if err != nil {
		return nil, err
	}
	e.Value, err = optimise(ctx, m, layer, e.task(h, step), h)
	return e.conclude(ctx, m, c, h, step, err)
}

// newRomeEdit has all but the value.
func newRomeEdit(ctx context.Context, m Model, f Fact, layer int, prefixes []string, c covariance.Solver, h HParams) (*romeEdit, error) {
	rows, err := rowsOf(m, f, prefixes, h.Chat)
	if err != nil {
		return nil, err
	}
	e := &romeEdit{fact: f, rows: rows}
	if e.keys, e.values, err = m.Keys(ctx, layer, rows.keys()); err != nil {
		return nil, err
	}
	for i := range e.keys {
		if !finite(e.keys[i]) || !finite(e.values[i]) {
			return nil, errorf(ErrRefused, "layer %d has values that are not finite for this prompt", layer)
		}
	}
	e.Rank = &Rank{MeanKey: mean(e.keys)}
	e.Layer = layer
	e.left, err = leftOf(ctx, m, f, rows.opens, e.keys, c, h, e.Rank)
	return e, err
}

// conclude makes the update of the value, or, where err says that the bare
// prompt did not follow, of another that is optimised without it.
func (e *romeEdit) conclude(ctx context.Context, m Model, c covariance.Solver, h HParams, step func(int, StepLoss), err error) (*Rank, error) {
	if errors.Is(err, errSink) {
		if e.left, err = behindOnly(ctx, c, e.keys, e.Rank); err != nil {
			return nil, err
		}
		e.Warnings = append(e.Warnings, fmt.Sprintf("%q opens the prompt, and what the layer puts out there does not reach the answer: "+
			"the edit is made for prompts with text before the subject and may not show without", e.fact.Subject))
		e.Value, err = optimise(ctx, m, e.Layer, e.task(h, step), h)
	}
	if err != nil {
		return nil, err
	}
	e.finish(e.left, e.keys[0], e.values[0])
	if e.rows.straddles {
		e.Warnings = append(e.Warnings, fmt.Sprintf("the last token of %q holds text behind it as well; the edit is made there", e.fact.Subject))
	}
	return e.Rank, nil
}

// finish makes the update delta leftᵀ. As in the reference, Left is u of unit
// length and Right is delta over the denominator, which is below 0 where the
// bare key of the original form points away from u.
func (r *Rank) finish(left []float64, bareKey, bareValue []float32) {
	size := math.Copysign(norm(left), dot(left, r.MeanKey))
	r.Left = narrow(left, 1/size)
	r.Right = narrow(widen(r.Value.Delta), size)
	last := r.Value.Losses[len(r.Value.Losses)-1]
	p := &r.Report
	p.KeyNorm = norm(r.MeanKey)
	p.Denominator = 1 / size
	p.DeltaNorm = norm(r.Left) * norm(r.Right)
	p.ValueNorm = norm(r.Value.Delta)
	p.OutputNorm = norm(bareValue)
	p.BareShare = dot(left, bareKey)
	p.Steps = len(r.Value.Losses)
	p.Loss, p.NLL = last.Total, last.NLL
	p.AtClamp = r.Value.AtClamp
}

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
func leftOf(ctx context.Context, m Model, f Fact, opens bool, keys [][]float32, c covariance.Solver, h HParams, r *Rank) ([]float64, error) {
	r.Report.Keys = 1
	u, err := solveUnit(ctx, c, r.MeanKey)
	if err != nil {
		return nil, err
	}
	if h.Denominator == Original {
		return scaled(u, 1/dot(u, keys[0])), nil
	}
	l := scaled(u, 1/dot(u, r.MeanKey))
	if len(keys) < 2 || dot(l, keys[0]) >= shareLeast {
		return l, nil
	}
	prefixed := mean(keys[1:])
	two, err := twoKeys(ctx, c, prefixed, widen(keys[0]))
	if err != nil {
		return nil, err
	}
	leak := 0.
	if opens {
		if leak, err = leakOf(ctx, m, r.Layer, two); err != nil {
			return nil, err
		}
	}
	if leak <= leakMost {
		r.MeanKey, r.Report.Keys = prefixed, 2
		return two, nil
	}
	r.Warnings = append(r.Warnings, fmt.Sprintf("%q opens the prompt, where its key is like that of any first token (%.0f %% of the change would show there): "+
		"the edit is made for prompts with text before the subject and may not show without", f.Subject, 100*leak))
	return behindOnly(ctx, c, keys, r)
}

// behindOnly is the one-key form for the prefixed prompts alone.
func behindOnly(ctx context.Context, c covariance.Solver, keys [][]float32, r *Rank) ([]float64, error) {
	r.Sink, r.Report.Keys = true, 1
	r.MeanKey = mean(keys[1:])
	u, err := solveUnit(ctx, c, r.MeanKey)
	if err != nil {
		return nil, err
	}
	return scaled(u, 1/dot(u, r.MeanKey)), nil
}

// task is the optimisation of the edit's value, without the bare prompt for a
// sink.
func (e *romeEdit) task(h HParams, step func(int, StepLoss)) *valueTask {
	rows := e.rows
	t := &valueTask{rows: rows.objective(h, e.Sink), init: e.values[0], step: step}
	t.batches = Batches(t.rows, h.StepRows)
	if rows.opens && rows.spans[0].Subject == 0 && len(rows.spans) > 1 && !e.Sink && h.Denominator != Original {
		t.watch = &sinkWatch{klRows: len(t.rows) - len(rows.spans)}
	}
	return t
}

// optimise finds the value of a task.
func optimise(ctx context.Context, m Model, layer int, t *valueTask, h HParams) (Value, error) {
	obj, err := m.Objective(ctx, layer, t.rows, t.batches)
	if err != nil {
		return Value{}, err
	}
	defer obj.Close()
	values, errs, err := optimiseValues(ctx, obj, []*valueTask{t}, h)
	if err != nil {
		return Value{}, err
	}
	return values[0], errs[0]
}

// errSink reports that the bare prompt does not follow the value.
var errSink = errors.New("the bare prompt does not follow the value")

// sinkWatch gives up a value when the bare prompt, row 0, does not follow it
// while the other rows do: the residual stream of a first token can be so large
// (an attention sink) that nothing added to it counts. Where the subject's last
// token is a later one the bare prompt follows, if slower than the others.
type sinkWatch struct {
	klRows, steps int     // rows without a target, at the end
	bare, rest    float64 // NLL at the start
}

const (
	sinkSteps = 6   // the first evaluation that it judges
	sinkBare  = 0.6 // share of its NLL that the bare prompt keeps
	sinkRest  = 0.3 // share that the others are below
)

// gaveUp judges a step.
func (w *sinkWatch) gaveUp(loss Loss) bool {
	n := len(loss.NLL) - w.klRows
	if n < 2 {
		return false
	}
	rest := sum(loss.NLL[1:n]) / float64(n-1)
	if w.steps++; w.steps == 1 {
		w.bare, w.rest = loss.NLL[0], rest
	}
	return w.steps >= sinkSteps && loss.NLL[0] > sinkBare*w.bare && rest < sinkRest*w.rest
}

// solveUnit is C⁻¹k of unit length.
func solveUnit(ctx context.Context, c covariance.Solver, k []float64) ([]float64, error) {
	u := make([]float64, len(k))
	if err := c.Solve(ctx, u, k); err != nil {
		return nil, err
	}
	size := norm(u)
	if !(size > 0) || math.IsInf(size, 0) {
		return nil, errorf(ErrRefused, "C⁻¹k has norm %v", size)
	}
	return scaled(u, 1/size), nil
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
	aa, ab, bb := dot(a, ua), dot(a, ub), dot(b, ub)
	det := aa*bb - ab*ab
	x, y := (bb-ab)/det, (aa-ab)/det
	for i := range ua {
		ua[i] = x*ua[i] + y*ub[i]
	}
	return ua, nil
}

// leakOf is the largest share of the value that the first tokens of unrelated
// texts would get.
func leakOf(ctx context.Context, m Model, layer int, left []float64) (float64, error) {
	var rows []Row
	for _, text := range neutralTexts()[:min(8, len(neutralTexts()))] {
		tokens, err := m.Tokenize(text, false)
		if err != nil {
			return 0, err
		}
		if len(tokens) > 1 {
			// A token behind it keeps the row whole in models that drop a
			// text's last token early.
			rows = append(rows, Row{Tokens: ids(tokens[:2]), At: 0})
		}
	}
	keys, _, err := m.Keys(ctx, layer, rows)
	if err != nil {
		return 0, err
	}
	var most float64
	for _, k := range keys {
		most = max(most, math.Abs(dot(left, k)))
	}
	return most, nil
}

func scaled(a []float64, s float64) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = v * s
	}
	return out
}
