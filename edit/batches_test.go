package edit

import (
	"math"
	"testing"
)

// Batches are of one size, hold every row, the bare prompt and those without a
// target each time, and their scaled weights add up to the rows' own.
func TestBatches(t *testing.T) {
	for _, c := range []struct{ prompts, kls, n, batches int }{
		{21, 1, 0, 1}, {21, 1, 8, 4}, {21, 1, 6, 5}, {21, 0, 1, 20}, {1, 1, 8, 1}, {2, 1, 8, 1}, {4, 0, 3, 2}, {21, 1, 100, 1},
	} {
		var rows []ObjectiveRow
		for range c.prompts {
			rows = append(rows, ObjectiveRow{Targets: make([]Target, 1), NLLWeight: 1})
		}
		rows = append(rows, make([]ObjectiveRow, c.kls)...)
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
	m := newFake()
	f, err := eiffel.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := rowsOf(m, f, []string{"You know. ", "So. ", "It is said. ", "Then. "}, "")
	if err != nil {
		t.Fatal(err)
	}
	all := rows.objective(testHParams(), false)
	delta := narrow(normals(3, fakeWidth, 1), 1)
	at := func(n int) (loss float64, grad []float64) {
		batches := Batches(all, n)
		o, err := m.Objective(t.Context(), 1, all, batches)
		if err != nil {
			t.Fatal(err)
		}
		seen := newLatest(all, batches)
		grad = make([]float64, fakeWidth)
		for b := range batches {
			g := make([]float32, fakeWidth)
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
