package replay

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/llama"
)

// suffixBatches are four batches of rows of one shape: their prefixes differ in
// length, and a row for the KL term is in all of them.
func suffixBatches(t *testing.T, c *llama.Context, vocab int) [][]ValueRow {
	t.Helper()
	token := func(seq, pos int) int32 { return int32((29*pos*pos + 13*seq + 7*pos + 5) % vocab) }
	var prefix llama.Batch
	row := func(seq int) ValueRow {
		n := 1 + seq%5
		for pos := range n {
			prefix.Add(token(seq, pos), pos, seq, false)
		}
		r := ValueRow{Sequence: seq, Position: n}
		for i := range 6 {
			r.Tokens = append(r.Tokens, token(seq, n+i))
		}
		return r
	}
	kl := row(0)
	kl.Tokens, kl.KLWeight = kl.Tokens[:2], 0.25
	var batches [][]ValueRow
	for b := range 3 {
		var rows []ValueRow
		for i := range 2 {
			r := row(1 + 2*b + i)
			r.Targets, r.TargetWeight = []Target{{At: 5, Token: token(b, 50+i)}}, 0.5
			rows = append(rows, r)
		}
		batches = append(batches, append(rows, kl))
	}
	if err := c.Decode(context.Background(), &prefix); err != nil {
		t.Fatal(err)
	}
	return batches
}

// One program for several batches gives each the loss and gradient that it has
// with a program of its own.
func TestBatchesOfOneProgram(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			batches := suffixBatches(t, c, m.Info().Vocab)
			plain := NewCopies(c, ThisProcessor().In(graph.F32), 4<<30) // no rounding of activations to 8 bits
			defer plain.Drop()
			one := valueOf(t, c, ValueSpec{Batches: batches, Copies: plain})
			const tolerance = 1e-4
			delta := make([]float32, m.Info().Width)
			for i := range delta {
				delta[i] = 0.01 * float32(i%7-3)
			}
			// backwards, and the first again: inputs are those of the batch at hand
			for _, b := range []int{2, 1, 0, 2} {
				own := valueOf(t, c, ValueSpec{Batches: batches[b : b+1], Copies: plain})
				got, want := make([]float32, len(delta)), make([]float32, len(delta))
				nll, kl, err := one.Step(t.Context(), b, delta, got)
				if err != nil {
					t.Fatal(err)
				}
				nll2, kl2, err := own.Step(t.Context(), 0, delta, want)
				if err != nil {
					t.Fatal(err)
				}
				sameLosses(t, "NLL", nll, nll2, tolerance)
				sameLosses(t, "KL", kl, kl2, tolerance)
				if d := relative(got, want); d > tolerance {
					t.Errorf("batch %d: the gradient is off by %g", b, d)
				}
				own.Close()
			}
		})
	}
}

// Rows of two edits in one program have the losses and gradients that those of
// each have by themselves, at their own deltas.
func TestEditsOfOneProgram(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			batches := suffixBatches(t, c, m.Info().Vocab)
			plain := NewCopies(c, ThisProcessor().In(graph.F32), 4<<30)
			defer plain.Drop()
			const tolerance = 1e-4
			n := m.Info().Width
			rows, delta := []ValueRow{}, make([]float32, 2*n)
			for e := range 2 {
				for _, r := range batches[e][:2] { // without the KL row, which both have
					r.Edit = e
					rows = append(rows, r)
				}
			}
			for i := range delta {
				delta[i] = 0.01 * float32(i%7-3) * float32(1+i/n)
			}
			got := make([]float32, 2*n)
			both, _, err := valueOf(t, c, ValueSpec{Batches: [][]ValueRow{rows}, Copies: plain}).Step(t.Context(), 0, delta, got)
			if err != nil {
				t.Fatal(err)
			}
			for e := range 2 {
				want := make([]float32, n)
				nll, _, err := valueOf(t, c, ValueSpec{Batches: [][]ValueRow{batches[e][:2]}, Copies: plain}).Step(t.Context(), 0, delta[e*n:][:n], want)
				if err != nil {
					t.Fatal(err)
				}
				sameLosses(t, "NLL", both[2*e:2*e+2], nll, tolerance)
				if d := relative(got[e*n:][:n], want); d > tolerance {
					t.Errorf("edit %d: the gradient is off by %g", e, d)
				}
			}
		})
	}
}

// The first step of a value is its run without delta, which also tells what is
// to stay: a second one there, with KL at its weight, gives the same bits.
func TestFirstStep(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			spec := ValueSpec{Batches: suffixBatches(t, c, m.Info().Vocab)}
			v := valueOf(t, c, spec)
			delta := make([]float32, m.Info().Width)
			first, second := make([]float32, len(delta)), make([]float32, len(delta))
			nll, kl, err := v.Step(t.Context(), 1, delta, first)
			if err != nil {
				t.Fatal(err)
			}
			nll2, kl2, err := v.Step(t.Context(), 1, delta, second)
			if err != nil {
				t.Fatal(err)
			}
			sameLosses(t, "NLL", nll, nll2, 0)
			sameLosses(t, "KL", kl, kl2, 1e-6) // 0 against a difference of sums
			if !slices.Equal(first, second) || !slices.ContainsFunc(first, func(x float32) bool { return x != 0 }) {
				t.Errorf("gradients differ by %g", relative(first, second))
			}
			// with a delta at once the run without it is not the step's
			w := valueOf(t, c, spec)
			delta[0] = 0.5
			clear(first)
			clear(second)
			if _, kl, err = w.Step(t.Context(), 1, delta, first); err != nil {
				t.Fatal(err)
			}
			if _, kl2, err = v.Step(t.Context(), 1, delta, second); err != nil {
				t.Fatal(err)
			}
			sameLosses(t, "KL", kl, kl2, 0)
			if !slices.Equal(first, second) {
				t.Errorf("gradients at another delta differ by %g", relative(first, second))
			}
		})
	}
}

func valueOf(t *testing.T, c *llama.Context, spec ValueSpec) *Value {
	t.Helper()
	v, err := NewValue(t.Context(), c, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	if err := v.Build(t.Context(), nil, 0); err != nil {
		t.Fatal(err)
	}
	return v
}

// Batches of different shapes are told apart.
func TestUnevenBatches(t *testing.T) {
	m, c := openModel(t, fixtures(t, "llama-dense")[0])
	batches := suffixBatches(t, c, m.Info().Vocab)
	moved := append([]ValueRow(nil), batches[1]...)
	moved[0].Targets = []Target{{At: 3, Token: 1}, {At: 5, Token: 2}}
	batches[1] = moved
	if _, err := NewValue(t.Context(), c, ValueSpec{Batches: batches}); !errors.Is(err, ErrUneven) {
		t.Errorf("targets at other places: %v", err)
	}
}

// What Prefill leaves in the cache is what a decode leaves there: exactly on
// weights that are used as they are, within BF16's rounding on copies.
func TestPrefill(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			logits := func(fill func(b llama.Batch) error) []float32 {
				c.Clear()
				var b llama.Batch
				for seq := range 3 {
					for pos := range 5 + seq {
						b.Add(int32((31*pos+17*seq+3)%m.Info().Vocab), pos, seq, false)
					}
				}
				if err := fill(b); err != nil {
					t.Fatal(err)
				}
				b.Reset()
				for seq := range 3 {
					b.Add(int32(7+seq), 5+seq, seq, true)
				}
				if err := c.Decode(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
				out := make([]float32, 3*m.Info().Vocab)
				for i := range 3 {
					if err := c.Logits(out[i*m.Info().Vocab:][:m.Info().Vocab], i); err != nil {
						t.Fatal(err)
					}
				}
				return out
			}
			want := logits(func(b llama.Batch) error { return c.Decode(t.Context(), &b) })
			none := NewCopies(c, Policy{Gradients: true}, 0) // no copies: weights as they are
			if got := logits(func(b llama.Batch) error { return Prefill(t.Context(), c, b, none) }); relative(got, want) != 0 {
				t.Errorf("logits after a prefill are off by %g", relative(got, want))
			}
			copies := NewCopies(c, ThisProcessor().In(graph.BF16), 1<<30)
			defer copies.Drop()
			got := logits(func(b llama.Batch) error { return Prefill(t.Context(), c, b, copies) })
			if d := relative(got, want); d > 0.05 {
				t.Errorf("logits after a prefill of BF16 copies are off by %g", d)
			}
		})
	}
}
