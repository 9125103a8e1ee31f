package engine_test

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/engine"
	"retcon/internal/reference"
	"retcon/internal/testfile"
	"retcon/lm"
)

func open(t testing.TB, path string, opts engine.Options) *engine.Model {
	t.Helper()
	opts.CPUOnly = true
	m, err := engine.Open(context.Background(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// The reference ran in float32 on other kernels, so values agree to float32
// rounding: keys to 1e-5 (2e-6 seen). u goes through C⁻¹, whose small
// eigenvalues stretch it: 1e-4 (4e-6 seen). Losses are printed to three digits,
// and each of twenty Adam steps at 0.5 feeds on the last: 0.002. The right
// vector is where all of it ends: 2e-3 (8e-5 seen).
const (
	keyTolerance   = 1e-5
	uTolerance     = 1e-4
	lossTolerance  = 0.002
	rightTolerance = 2e-3
)

func readReference(t testing.TB) *reference.ROME {
	t.Helper()
	ref, err := reference.LoadROME()
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestReference makes the original's edits, from keys to scores, on a covariance
// of random tokens that anyone can make again. The original's own covariance is
// of a text: [TestReferenceText].
func TestReference(t *testing.T) {
	if testing.Short() {
		t.Skip("short: a minute of optimisation")
	}
	ref := readReference(t)
	m := open(t, testfile.DemoF32(t), engine.Options{Transpose: engine.TransposeNever})
	c := referenceCovariance(t, m, ref.Layer, ref.Random, reference.RandomTokens(ref.Random.Tokens, m.Info().Vocab))
	edited := editedScores{m: m}
	for i, r := range ref.Edits {
		t.Run(r.Subject, func(t *testing.T) { edited.add(t, i, r, checkReference(t, m, c, ref, r)) })
	}
	if !t.Failed() && len(edited.ours) > 0 {
		edited.check(t)
	}
}

// TestReferenceText makes the covariance that the original made.
func TestReferenceText(t *testing.T) {
	path := testfile.DataSet(t, "wiki.test.raw")
	ref := readReference(t)
	m := open(t, testfile.DemoF32(t), engine.Options{})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Python read it with universal newlines
	tokens, err := m.Tokenize(strings.ReplaceAll(string(text), "\r\n", "\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int32, ref.Text.Tokens)
	for i := range ids {
		ids[i] = tokens[i].ID
	}
	if first := ref.Text.FirstIDs; !slices.Equal(ids[:len(first)], first) {
		t.Fatalf("the text begins with tokens %v, not %v", ids[:len(first)], first)
	}
	c := referenceCovariance(t, m, ref.Layer, ref.Text, ids)
	for _, r := range ref.Edits {
		near(t, r.Subject+": u", left(t, c, r.MeanKey), r.U, uTolerance)
	}
}

// referenceCovariance is that of tokens; it checks the diagonal.
func referenceCovariance(t *testing.T, m *engine.Model, layer int, want reference.Covariance, ids []int32) covariance.Solver {
	t.Helper()
	start := time.Now()
	sum, err := m.Moments(context.Background(), layer, slices.Collect(slices.Chunk(ids, want.Chunk)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sum.Close()
	t.Logf("%d keys in %v", sum.Count(), time.Since(start))
	var diag [1]float32
	for i, want := range want.Diagonal {
		if err := sum.Block(diag[:], i, i+1, i, i+1); err != nil {
			t.Fatal(err)
		}
		if got := diag[0] / float32(sum.Count()); !(math.Abs(float64(got-want)) <= 1e-3*float64(want)) {
			t.Fatalf("C[%d,%d] is %g, not %g", i, i, got, want)
		}
	}
	f, err := covariance.FromMoments(context.Background(), sum, covariance.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// left is C⁻¹ key, of unit length.
func left(t *testing.T, c covariance.Solver, key []float32) []float32 {
	t.Helper()
	u := doubles(key)
	if err := c.Solve(context.Background(), u, u); err != nil {
		t.Fatal(err)
	}
	norm := math.Sqrt(dot(u, u))
	for i := range u {
		u[i] /= norm
	}
	return singles(u)
}

// checkReference makes an edit step by step and returns it.
func checkReference(t *testing.T, m *engine.Model, c covariance.Solver, ref *reference.ROME, r reference.Edit) lm.Update {
	ctx := context.Background()
	rows, sites := referenceRows(t, m, ref, r)
	keys, values, err := m.Keys(ctx, ref.Layer, sites)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "unprefixed key", keys[0], r.OwnKey, keyTolerance)
	near(t, "unprefixed value", values[0], r.OwnValue, keyTolerance)
	mean := make([]float64, len(keys[0]))
	for _, k := range keys {
		for j, v := range k {
			mean[j] += float64(v) / float64(len(keys))
		}
	}
	near(t, "mean key", singles(mean), r.MeanKey, keyTolerance)
	near(t, "u", left(t, c, singles(mean)), r.URandom, uTolerance)

	v := referenceValue(t, m, ref.Layer, rows, values[0], r.Losses)
	// the original's denominator: the unprefixed key against the averaged u
	d := dot(doubles(keys[0]), doubles(r.U))
	right := make([]float32, len(v.Delta))
	for j, x := range v.Delta {
		right[j] = float32(float64(x) / d)
	}
	near(t, "right", right, r.Right, rightTolerance)
	return lm.Update{Layer: ref.Layer, Left: r.U, Right: right}
}

// referenceValue optimises as the original does, and checks every step's losses.
func referenceValue(t *testing.T, m *engine.Model, layer int, rows []lm.ObjectiveRow, init []float32, losses [][4]float64) rome.Value {
	t.Helper()
	start := time.Now()
	batches := rome.Batches(rows, 0)
	o, err := m.Objective(context.Background(), layer, rows, batches)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	h := rome.DefaultHParams()
	h.Optimizer, h.StopNLL = rome.Adam, 0
	v, err := rome.OptimiseValue(context.Background(), o, rows, batches, init, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("optimised in %v", time.Since(start))
	if len(v.Losses) != len(losses) {
		t.Fatalf("%d steps, not %d", len(v.Losses), len(losses))
	}
	for j, l := range v.Losses {
		for k, got := range []float64{l.Total, l.NLL, l.KL, l.Decay} {
			if !(math.Abs(got-losses[j][k]) <= lossTolerance) {
				t.Errorf("step %d: losses %+v, not %v", j, l, losses[j])
				break
			}
		}
	}
	return v
}

// referenceRows are the reference's optimised rows and, for its templates, the
// subject's last token.
func referenceRows(t *testing.T, m *engine.Model, ref *reference.ROME, r reference.Edit) ([]lm.ObjectiveRow, []lm.Row) {
	t.Helper()
	n := len(r.RowsIDs) - 1
	rows := make([]lm.ObjectiveRow, n+1)
	var sites []lm.Row
	for j, ids := range r.RowsIDs {
		at := subjectLast(t, m, r.Subject, ids)
		rows[j] = lm.ObjectiveRow{Tokens: ids, At: at}
		if j == n {
			rows[j].KeepAt, rows[j].KLWeight = at, ref.KLFactor
			continue
		}
		sites = append(sites, lm.Row{Tokens: ids, At: at})
		rows[j].NLLWeight = 1 / float64(n)
		for k, id := range r.TargetIDs {
			rows[j].Targets = append(rows[j].Targets, lm.Target{At: len(ids) - len(r.TargetIDs) + k, Token: id})
		}
	}
	return rows, sites
}

func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	d := distance(got, doubles(want))
	t.Logf("%s: off by %.1e", what, d)
	if !(d <= tolerance) {
		t.Errorf("%s is off by %g of its norm", what, d)
	}
}

func singles(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func doubles(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// subjectLast is the subject's last token in a row, whose text must tokenise as
// the original's tokeniser did it.
func subjectLast(t *testing.T, m *engine.Model, subject string, ids []int32) int {
	t.Helper()
	row := m.Llama().Text(ids)
	tokens, err := m.Tokenize(row, false)
	if err != nil {
		t.Fatal(err)
	}
	end := strings.LastIndex(row, subject) + len(subject)
	last := -1
	for i, tok := range tokens {
		if i >= len(ids) || tok.ID != ids[i] {
			t.Fatalf("%q tokenises to %v, not %v", row, tokens, ids)
		}
		if last < 0 && tok.End >= end {
			last = i
		}
	}
	if last < 0 || !strings.Contains(row, subject) || len(tokens) != len(ids) {
		t.Fatalf("no subject %q in %q, or other tokens: %v, not %v", subject, row, tokens, ids)
	}
	return last
}

// distance is ||a - b|| / ||b||.
func distance(a []float32, b []float64) float64 {
	d, n := 0.0, 0.0
	for i := range b {
		d += (float64(a[i]) - b[i]) * (float64(a[i]) - b[i])
		n += b[i] * b[i]
	}
	return math.Sqrt(d / n)
}
