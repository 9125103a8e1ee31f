package rome

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/edit/corpus"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/fakemodel"
	"retcon/internal/vec"
	"retcon/lm"
)

func testHParams() HParams {
	h := DefaultHParams()
	h.PrefixLengths = [][2]int{{4, 2}, {7, 2}}
	h.Layers = []int{1}
	h.Clamp, h.LR = 3.5, 2 // the fake takes more to persuade than a language model
	return h
}

// covarianceOf makes the covariance of a layer from text that the fake writes.
func covarianceOf(t *testing.T, m lm.Model, layer int) covariance.Solver {
	t.Helper()
	s := &covariance.Store{Model: m, Source: &corpus.Source{Model: m, Seed: testHParams().Seed}}
	c, _, err := s.Solver(t.Context(), testHParams().Covariance, layer)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGradient checks the fake itself: its gradient is that of its loss.
func TestGradient(t *testing.T) {
	m := fakemodel.New()
	f, err := fakemodel.Eiffel.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := rowsOf(m, f, []string{"You know. "}, "")
	if err != nil {
		t.Fatal(err)
	}
	all := rows.objective(testHParams(), false)
	batches := Batches(all, 0)
	o, _ := m.Objective(t.Context(), 1, all, batches)
	delta, grad, junk := vec.Narrow(fakemodel.Normals(3, fakemodel.Width, 1), 1), make([]float32, fakemodel.Width), make([]float32, fakemodel.Width)
	at := func(delta, grad []float32) float64 {
		loss, err := o.Step(t.Context(), 0, delta, grad)
		if err != nil {
			t.Fatal(err)
		}
		seen := newLatest(all, batches)
		seen.add(0, loss)
		nll, kl := seen.parts()
		return nll + kl
	}
	at(delta, grad)
	for i := range delta {
		const h = 1e-3
		d := append([]float32(nil), delta...)
		d[i] += h
		up := at(d, junk)
		d[i] -= 2 * h
		down := at(d, junk)
		if want := (up - down) / (2 * h); math.Abs(want-float64(grad[i])) > 1e-3*(1+math.Abs(want)) {
			t.Fatalf("%d: %g instead of %g", i, grad[i], want)
		}
	}
}

// TestEquation checks (W + Delta) k* = v*, for the key that it is meant for.
func TestEquation(t *testing.T) {
	for name, c := range map[string]struct {
		request     fact.Request
		denominator string
	}{
		"consistent":       {fakemodel.Eiffel, Consistent},
		"original":         {fakemodel.Eiffel, Original},
		"opens the prompt": {fact.Request{Prompt: "{} is in", Subject: "Lutetia", TargetNew: "Rome"}, Consistent},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakemodel.New()
			f, err := c.request.Resolve()
			if err != nil {
				t.Fatal(err)
			}
			h := testHParams()
			h.Denominator = c.denominator
			prefixes, err := contexts.SamplePrefixes(t.Context(), m, h.PrefixLengths, 1)
			if err != nil {
				t.Fatal(err)
			}
			cov := covarianceOf(t, m, 1)
			r, err := compute(t.Context(), m, f, 1, prefixes, cov, h, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := compute(t.Context(), keyed{m}, f, 1, prefixes, cov, h, nil)
			if err != nil || !cmp.Equal(again, r) {
				t.Errorf("with the objective's keys: %s %v", cmp.Diff(again, r), err)
			}
			defer func(n int) { lateKeys = n }(lateKeys)
			lateKeys = 0
			if again, err = compute(t.Context(), m, f, 1, prefixes, cov, h, nil); err != nil || !cmp.Equal(again, r) {
				t.Errorf("with keys from before the objective: %s %v", cmp.Diff(again, r), err)
			}
			if n := vec.Norm(r.Left); math.Abs(n-1) > 1e-5 {
				t.Errorf("u has length %g", n)
			}
			rows, _ := rowsOf(m, f, prefixes, "")
			keys, _, _ := m.Keys(t.Context(), 1, rows.keys())
			meant := [][]float64{r.MeanKey}
			if c.denominator == Original {
				meant = [][]float64{vec.Widen(keys[0])}
			} else if r.Report.Keys == 2 {
				meant = append(meant, vec.Widen(keys[0]))
			}
			for _, k := range meant {
				w := vec.Dot(r.Left, k)
				for i, d := range r.Value.Delta {
					if got := w * float64(r.Right[i]); math.Abs(got-float64(d)) > 1e-4*(vec.Norm(r.Value.Delta)) {
						t.Fatalf("dimension %d moves by %g instead of %g", i, got, d)
					}
				}
			}
			if p := r.Report; p.KeyNorm <= 0 || p.ValueNorm > h.Clamp*p.OutputNorm*1.0001 || p.Steps < 1 || p.Loss >= r.Value.Losses[0].Total {
				t.Errorf("%+v", p)
			}
			t.Logf("%+v sink %v", r.Report, r.Sink)
		})
	}
}

// TestTwoKeys checks that both keys get the whole value, with the smallest
// response elsewhere: C l lies in the span of the keys.
func TestTwoKeys(t *testing.T) {
	c := covarianceOf(t, fakemodel.New(), 1)
	a, b := fakemodel.Normals(1, fakemodel.FF, 1), fakemodel.Normals(2, fakemodel.FF, 1)
	l, err := twoKeys(t.Context(), c, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := vec.Dot(l, a), vec.Dot(l, b); math.Abs(x-1) > 1e-9 || math.Abs(y-1) > 1e-9 {
		t.Error(x, y)
	}
}

// quadratic is 0.5 |delta - goal|².
type quadratic struct{ goal []float64 }

func (q quadratic) Close() error { return nil }
func (q quadratic) Step(ctx context.Context, batch int, delta, grad []float32) (lm.Loss, error) {
	nll := 0.0
	for i, g := range q.goal {
		d := float64(delta[i]) - g
		nll += d * d / 2
		grad[i] = float32(d)
	}
	return lm.Loss{NLL: []float64{nll}, KL: []float64{0}}, ctx.Err()
}

// one is a row in a batch of its own, as quadratic has it.
var (
	oneRow   = []lm.ObjectiveRow{{Targets: make([]lm.Target, 1), NLLWeight: 1}}
	oneBatch = Batches(oneRow, 0)
)

func TestOptimiseValue(t *testing.T) {
	init := []float32{3, 4} // of length 5
	h := testHParams()
	h.WeightDecay, h.Clamp, h.LR, h.Optimizer = 0, 4, 0.5, Adam
	first := 0
	v, err := OptimiseValue(t.Context(), quadratic{[]float64{100, 0}}, oneRow, oneBatch, init, h, func(i int, l edit.StepLoss) { first++ })
	if err != nil {
		t.Fatal(err)
	}
	// Adam's first step has length lr along each axis with a gradient, so 19
	// steps of 0.5 stay below 9.5.
	if len(v.Losses) != 20 || first != 20 || v.AtClamp || math.Abs(float64(v.Delta[0])-9.5) > 0.1 {
		t.Errorf("%v after %d steps, clamp %v", v.Delta, len(v.Losses), v.AtClamp)
	}
	h.Clamp = 1
	v, _ = OptimiseValue(t.Context(), quadratic{[]float64{100, 0}}, oneRow, oneBatch, init, h, nil)
	if !v.AtClamp || math.Abs(vec.Norm(v.Delta)-5) > 1e-5 {
		t.Errorf("%v, clamp %v", v.Delta, v.AtClamp)
	}
	v, _ = OptimiseValue(t.Context(), quadratic{[]float64{0.1, 0}}, oneRow, oneBatch, init, h, nil)
	if len(v.Losses) != 1 || vec.Norm(v.Delta) != 0 {
		t.Errorf("it went on below the stopping loss: %v", v.Losses)
	}
	if _, err := OptimiseValue(t.Context(), quadratic{[]float64{math.NaN(), 0}}, oneRow, oneBatch, init, h, nil); !errors.Is(err, edit.ErrRefused) {
		t.Error(err)
	}
	h.Clamp, h.WeightDecay = 4, 0.5
	v, _ = OptimiseValue(t.Context(), quadratic{[]float64{3, 0}}, oneRow, oneBatch, init, h, nil)
	if last := v.Losses[len(v.Losses)-1]; last.Decay <= 0 || math.Abs(last.Total-last.NLL-last.Decay) > 1e-9 {
		t.Errorf("%+v", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = OptimiseValue(ctx, quadratic{[]float64{100, 0}}, oneRow, oneBatch, init, h, func(i int, _ edit.StepLoss) {
		if i == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// halving is a loss that halves with each evaluation, whatever the batch.
type halving struct{ n int }

func (h *halving) Step(_ context.Context, _ int, _, grad []float32) (lm.Loss, error) {
	h.n++
	grad[0] = 1
	return lm.Loss{NLL: []float64{math.Pow(2, float64(1-h.n))}, KL: []float64{0}}, nil
}

func (h *halving) Close() error { return nil }

// Where batches take turns, the target's loss is that of the batch at hand, once
// all have had theirs: the others' are of steps before.
func TestStopsByTheBatchAtHand(t *testing.T) {
	rows := slices.Repeat(oneRow, 3)
	batches := []lm.Batch{{Rows: []int{0}, Scale: []float64{1}}, {Rows: []int{1}, Scale: []float64{1}}, {Rows: []int{2}, Scale: []float64{1}}}
	for _, c := range []struct {
		stop  float64
		steps int
	}{{0.07, 5}, {0.9, 3}} { // 1, 0.5, 0.25, 0.125, 0.0625
		h := testHParams()
		h.WeightDecay, h.StopLoss, h.StopNLL = 0, 0, c.stop
		v, err := OptimiseValue(t.Context(), &halving{}, rows, batches, []float32{3, 4}, h, nil)
		if err != nil || len(v.Losses) != c.steps {
			t.Errorf("below %v after %d steps, not %d: %v", c.stop, len(v.Losses), c.steps, err)
		}
	}
}

func TestPolyak(t *testing.T) {
	init := []float32{3, 4} // of length 5
	h := testHParams()
	h.WeightDecay, h.Clamp, h.MaxStep, h.StopNLL = 0, 100, 0.8, 0.05
	for _, c := range []struct {
		target []float64
		most   int // steps to within the stopping loss
	}{
		{[]float64{1, 0}, 4},  // at once: half of the way each step, less the mean of gradients
		{[]float64{20, 0}, 9}, // in steps of 4 first
	} {
		v, err := OptimiseValue(t.Context(), quadratic{c.target}, oneRow, oneBatch, init, h, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last := v.Losses[len(v.Losses)-1]; last.NLL >= h.StopNLL || len(v.Losses) > c.most {
			t.Errorf("to %v: loss %v after %d steps", c.target, last.NLL, len(v.Losses))
		}
		for i := 1; i < len(v.Losses); i++ {
			if v.Losses[i].NLL > v.Losses[i-1].NLL {
				t.Errorf("to %v: the loss rises in step %d: %v", c.target, i, v.Losses)
			}
		}
	}
	// no step is longer than MaxStep of the value
	p := newOptimizer(h, 5, 2)
	x := make([]float32, 2)
	p.step(x, []float32{1e-3, 0}, 100)
	if math.Abs(vec.Norm(x)-4) > 1e-5 {
		t.Errorf("a step of length %v", vec.Norm(x))
	}
	p.step(x, []float32{0, 0}, 0) // no slope, no step
	if math.Abs(vec.Norm(x)-4) > 1e-5 {
		t.Errorf("moved to %v", x)
	}
}

// stubborn is an Objective whose first row stays while the others follow.
type stubborn struct{ n int }

func (s *stubborn) Close() error { return nil }
func (s *stubborn) Step(ctx context.Context, batch int, delta, grad []float32) (lm.Loss, error) {
	s.n++
	return lm.Loss{NLL: []float64{10, 8 / float64(s.n), 8 / float64(s.n)}, KL: make([]float64, 3)}, nil
}

func TestSinkWatch(t *testing.T) {
	row := lm.ObjectiveRow{Targets: make([]lm.Target, 1), NLLWeight: 1. / 3}
	rows := []lm.ObjectiveRow{row, row, row}
	task := &valueTask{rows: rows, batches: Batches(rows, 0), init: []float32{1}, watch: &sinkWatch{}}
	_, errs, err := optimiseValues(t.Context(), &stubborn{}, []*valueTask{task}, DefaultHParams())
	if err != nil || !errors.Is(errs[0], errSink) {
		t.Error(errs, err)
	}
}

// keyed is a model whose objectives know their rows' keys, and which is not
// asked for them.
type keyed struct{ *fakemodel.Model }

type keyedObjective struct {
	lm.Objective
	keys, values [][]float32
}

func (o keyedObjective) Keys() (keys, values [][]float32, ok bool) { return o.keys, o.values, true }

func (m keyed) Keys(ctx context.Context, layer int, rows []lm.Row) (keys, values [][]float32, err error) {
	if len(rows) > 0 && rows[0].At != 0 {
		return nil, nil, errors.New("the objective has these keys")
	}
	return m.Model.Keys(ctx, layer, rows) // of other texts' first tokens
}

func (m keyed) Objective(ctx context.Context, layer int, rows []lm.ObjectiveRow, batches []lm.Batch) (lm.Objective, error) {
	o, err := m.Model.Objective(ctx, layer, rows, batches)
	if err != nil {
		return nil, err
	}
	own := make([]lm.Row, len(rows))
	for i, r := range rows {
		own[i] = lm.Row{Tokens: r.Tokens, At: r.At}
	}
	k := keyedObjective{Objective: o}
	k.keys, k.values, err = m.Model.Keys(ctx, layer, own)
	return k, err
}

// A sink of a model with long keys has a row less than the edit: the bare
// prompt's, and no row for KL without its factor.
func TestLongKeysSink(t *testing.T) {
	defer func(n int) { lateKeys = n }(lateKeys)
	lateKeys = 0
	m, h := fakemodel.New(), testHParams()
	h.KLFactor = 0
	f, err := fakemodel.Eiffel.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	e, err := newRomeEdit(t.Context(), m, f, 1, []string{"Here. ", "There. "}, h)
	if err != nil {
		t.Fatal(err)
	}
	e.Sink = true
	task, obj, err := e.prepare(t.Context(), m, covarianceOf(t, m, 1), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	if len(task.rows) != len(e.rows.spans)-1 || task.init == nil {
		t.Errorf("%d rows of %d, init %v", len(task.rows), len(e.rows.spans), task.init)
	}
}
