package llama_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"retcon/llama"
)

// A token that two sequences share is seen by both, and each sees its own rest
// only: the logits are those of two whole sequences.
func TestSharedTokens(t *testing.T) {
	c := newContext(t, loadTiny(t), llama.ContextParams{Cells: 64, Batch: 16, Sequences: 3})
	ctx := context.Background()
	logits := func(b *llama.Batch, at int) []float32 {
		t.Helper()
		c.Clear()
		if err := c.Decode(ctx, b); err != nil {
			t.Fatal(err)
		}
		out := make([]float32, 256)
		if err := c.Logits(out, at); err != nil {
			t.Fatal(err)
		}
		return out
	}
	tree := &llama.Batch{}
	for i, token := range []int32{5, 6, 7} {
		tree.AddShared(token, i, []int32{0, 1}, false)
	}
	tree.AddShared(8, 3, []int32{0}, true)
	tree.AddShared(9, 3, []int32{1}, true)
	tree.Add(3, 0, 2, true) // not of the tree
	for at, tokens := range map[int][]int32{3: {5, 6, 7, 8}, 4: {5, 6, 7, 9}, 5: {3}} {
		alone := &llama.Batch{}
		for i, token := range tokens {
			alone.Add(token, i, 0, i == len(tokens)-1)
		}
		got, want := logits(tree, at), logits(alone, len(tokens)-1)
		for i := range want {
			if d := math.Abs(float64(got[i] - want[i])); d > 1e-5 {
				t.Fatalf("%v: logit %d is off by %g", tokens, i, d)
			}
		}
	}
	tree.Reset()
	tree.Add(1, 0, 0, true)
	if len(tree.Shared) != 0 {
		t.Error("a batch that was emptied has shared tokens")
	}
	logits(tree, 0)
}

func TestSharedTokenErrors(t *testing.T) {
	m := loadTiny(t)
	b := &llama.Batch{}
	b.AddShared(1, 0, []int32{0, 5}, true)
	for name, p := range map[string]llama.ContextParams{
		"no such sequence": {Cells: 64, Batch: 16, Sequences: 2},
		"separate caches":  {Cells: 64, Batch: 16, Sequences: 8, Separate: true},
	} {
		if err := newContext(t, m, p).Decode(context.Background(), b); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b = prompt(2, 0)
	b.Shared = make([][]int32, 3)
	if err := smallContext(t).Decode(context.Background(), b); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("more lists than tokens: %v", err)
	}
}

// logSoftmax is computed in float64 throughout.
func logSoftmax(logits []float32) []float64 {
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l))
	}
	out := make([]float64, len(logits))
	for i, l := range logits {
		out[i] = float64(l) - math.Log(sum)
	}
	return out
}

func TestPredictions(t *testing.T) {
	c := smallContext(t)
	logits := decodeFresh(t, c, prompt(5, 0))
	at, tokens := make([]int32, 256), make([]int32, 256)
	for i := range tokens {
		at[i], tokens[i] = 4, int32(i)
	}
	want := logSoftmax(logits)
	got, first, err := c.Predictions(at, tokens)
	if err != nil {
		t.Fatal(err)
	}
	top := slices.Max(logits)
	for i := range tokens {
		if math.Abs(got[i]-want[i]) > 1e-6 || first[i] != (logits[i] == top) {
			t.Errorf("token %d: %g, first %v; want %g, %v", i, got[i], first[i], want[i], logits[i] == top)
		}
	}
	if _, _, err := c.Predictions([]int32{4}, nil); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("a place without a token: %v", err)
	}
	if _, _, err := c.Predictions([]int32{3}, []int32{1}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("a place without logits: %v", err)
	}
	if p, f, err := c.Predictions(nil, nil); p != nil || f != nil || err != nil {
		t.Errorf("nothing: %v %v %v", p, f, err)
	}
}
