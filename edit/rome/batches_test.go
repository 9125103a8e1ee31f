package rome

import (
	"math"
	"testing"

	"retcon/fact"
	"retcon/internal/fakemodel"
	"retcon/internal/vec"
	"retcon/lm"
)

// Batches are of one size, hold every row, the bare prompt and those without a
// target each time, and their scaled weights add up to the rows' own.
func TestBatches(t *testing.T) {
	for _, c := range []struct{ prompts, kls, n, batches int }{
		{21, 1, 0, 1}, {21, 1, 8, 4}, {21, 1, 6, 5}, {21, 0, 1, 20}, {1, 1, 8, 1}, {2, 1, 8, 1}, {4, 0, 3, 2}, {21, 1, 100, 1},
	} {
		var rows []lm.ObjectiveRow
		for range c.prompts {
			rows = append(rows, lm.ObjectiveRow{Targets: make([]lm.Target, 1), NLLWeight: 1})
		}
		rows = append(rows, make([]lm.ObjectiveRow, c.kls)...)
		batches := Batches(rows, c.n)
		if len(batches) != c.batches {
			t.Errorf("%+v: %d batches", c, len(batches))
		}
		sum := make([]float64, len(rows))
		for _, b := range batches {
			if len(b.Rows) != len(batches[0].Rows) || len(b.Scale) != len(b.Rows) || b.Rows[0] != 0 {
				t.Errorf("%+v: batch %+v", c, b)
			}
			in := map[int]bool{}
			for i, r := range b.Rows {
				if in[r] {
					t.Errorf("%+v: row %d twice in a batch", c, r)
				}
				in[r] = true
				sum[r] += b.Scale[i] / float64(len(batches))
			}
			for k := range c.kls {
				if !in[c.prompts+k] {
					t.Errorf("%+v: row %d is missing in a batch", c, c.prompts+k)
				}
			}
		}
		for r, s := range sum {
			if math.Abs(s-1) > 1e-12 {
				t.Errorf("%+v: row %d counts %g times", c, r, s)
			}
		}
	}
}

// Whatever the batches, the mean of their gradients at one delta is that of all
// rows together, and so is the loss once all have been seen.
func TestBatchesAddUp(t *testing.T) {
	m := fakemodel.New()
	f, err := fakemodel.Eiffel.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := rowsOf(m, f, []string{"You know. ", "So. ", "It is said. ", "Then. "}, "")
	if err != nil {
		t.Fatal(err)
	}
	all := rows.objective(testHParams(), false)
	delta := vec.Narrow(fakemodel.Normals(3, fakemodel.Width, 1), 1)
	at := func(n int) (loss float64, grad []float64) {
		batches := Batches(all, n)
		o, err := m.Objective(t.Context(), 1, all, batches)
		if err != nil {
			t.Fatal(err)
		}
		seen := newLatest(all, batches)
		grad = make([]float64, fakemodel.Width)
		for b := range batches {
			g := make([]float32, fakemodel.Width)
			l, err := o.Step(t.Context(), b, delta, g)
			if err != nil {
				t.Fatal(err)
			}
			seen.add(b, l)
			for i, v := range g {
				grad[i] += float64(v) / float64(len(batches))
			}
		}
		if !seen.whole() {
			t.Errorf("batches of %d leave rows out", n)
		}
		nll, kl := seen.parts()
		return nll + kl, grad
	}
	loss, grad := at(0)
	for _, n := range []int{3, 4, 5} {
		l, g := at(n)
		if math.Abs(l-loss) > 1e-9 {
			t.Errorf("batches of %d: a loss of %g, not %g", n, l, loss)
		}
		for i := range g {
			if math.Abs(g[i]-grad[i]) > 1e-5 {
				t.Fatalf("batches of %d: gradient %d is %g, not %g", n, i, g[i], grad[i])
			}
		}
	}
}

// A prompt that begins with its subject is "{subject} is a" as far as KL reads
// it: one row serves for both, with the loss and the gradient of two.
func TestKLInTheBarePrompt(t *testing.T) {
	m := fakemodel.New()
	f, err := fact.Request{Prompt: "{} is located in", Subject: "Eiffel Tower", TargetNew: "Rome"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := rowsOf(m, f, []string{"You know. ", "So. ", "Then. "}, "")
	if err != nil {
		t.Fatal(err)
	}
	h := testHParams()
	h.KLFactor = 0.5
	one := rows.objective(h, false)
	if len(one) != 4 || one[0].KLWeight != h.KLFactor || one[0].KeepAt != one[0].At {
		t.Fatalf("%d rows, the first keeps %d with weight %g", len(one), one[0].KeepAt, one[0].KLWeight)
	}
	two := append([]lm.ObjectiveRow(nil), one...)
	two[0].KLWeight, two[0].KeepAt = 0, 0
	two = append(two, lm.ObjectiveRow{Tokens: rows.kl.Tokens, At: rows.kl.Subject, KeepAt: rows.kl.Subject, KLWeight: h.KLFactor})
	delta := vec.Narrow(fakemodel.Normals(3, fakemodel.Width, 1), 1)
	at := func(all []lm.ObjectiveRow) (nll, kl float64, grad []float32) {
		batches := Batches(all, 0)
		o, err := m.Objective(t.Context(), 1, all, batches)
		if err != nil {
			t.Fatal(err)
		}
		seen, grad := newLatest(all, batches), make([]float32, fakemodel.Width)
		l, err := o.Step(t.Context(), 0, delta, grad)
		if err != nil {
			t.Fatal(err)
		}
		seen.add(0, l)
		nll, kl = seen.parts()
		return nll, kl, grad
	}
	nll, kl, grad := at(one)
	wantNLL, wantKL, want := at(two)
	if kl == 0 || math.Abs(nll-wantNLL) > 1e-9 || math.Abs(kl-wantKL) > 1e-9 {
		t.Errorf("a loss of %g and %g, not %g and %g", nll, kl, wantNLL, wantKL)
	}
	for i := range want {
		if math.Abs(float64(grad[i]-want[i])) > 1e-5 {
			t.Fatalf("gradient %d is %g, not %g", i, grad[i], want[i])
		}
	}
	// batches are no larger than with a row of its own, and none leaves it out
	for _, b := range Batches(one, 3) {
		if b.Rows[0] != 0 || len(b.Rows) != 2 {
			t.Errorf("a batch of rows %v", b.Rows)
		}
	}
	h.KLPosition = KLEnd
	if rows := rows.objective(h, false); len(rows) != 5 {
		t.Errorf("%d rows where KL is read after the subject", len(rows))
	}
	h.KLPosition = KLSubject
	if rows := rows.objective(h, true); len(rows) != 4 || rows[3].KLWeight == 0 {
		t.Errorf("%d rows without the bare prompt", len(rows))
	}
}
