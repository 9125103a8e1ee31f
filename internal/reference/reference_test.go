package reference_test

import (
	"math"
	"slices"
	"testing"

	"retcon/internal/reference"
)

func TestROME(t *testing.T) {
	r, err := reference.LoadROME()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Edits) != 4 || len(r.Random.Diagonal) != r.Key || r.Text.Tokens != 15360 {
		t.Errorf("%d edits, %d of the diagonal, C over %d tokens", len(r.Edits), len(r.Random.Diagonal), r.Text.Tokens)
	}
	for _, e := range r.Edits {
		for what, u := range map[string][]float32{"u": e.U, "u over random tokens": e.URandom} {
			sum := 0.0
			for _, v := range u {
				sum += float64(v) * float64(v)
			}
			if math.Abs(sum-1) > 1e-5 { // columns mixed up would not be of unit length
				t.Errorf("%s: %s has length %g", e.Subject, what, math.Sqrt(sum))
			}
		}
		if len(e.RowsIDs) != 22 || len(e.Losses) != 20 || len(e.Right) != r.Value {
			t.Errorf("%s: %d rows, %d losses, right of %d", e.Subject, len(e.RowsIDs), len(e.Losses), len(e.Right))
		}
	}
}

// The tokens that make.py drew.
func TestRandomTokens(t *testing.T) {
	if got, want := reference.RandomTokens(4, 49152), []int32{34905, 2181, 5633, 29498}; !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

func TestTracesAndScores(t *testing.T) {
	traces, err := reference.LoadTraces()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range traces.Records {
		if len(r.Hidden) != len(r.InputIDs) || len(r.MLP[0]) != 30 || len(r.Severed.AttnSevered) != 30 || len(r.NoiseFirst) == 0 {
			t.Errorf("%q: a grid of %d rows for %d tokens, %d layers", r.Prompt, len(r.Hidden), len(r.InputIDs), len(r.MLP[0]))
		}
	}
	scores, err := reference.LoadScores()
	if err != nil || len(scores) != 100 {
		t.Fatalf("%d records, %v", len(scores), err)
	}
	for i, s := range scores {
		if len(s.New) != 13 || len(s.True) != 13 || len(s.Edited) != 4 {
			t.Errorf("record %d: %d and %d prompts, %d scores", i, len(s.New), len(s.True), len(s.Edited))
		}
	}
}
