package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"retcon/edit/rome"
	"retcon/gguf"
	"retcon/internal/built"
	"retcon/internal/testmodel"
	"retcon/lm"
)

// prefixedRows are rows behind the same three prefixes, for facts that differ
// by seed in their tokens and how many there are.
func prefixedRows(seed int) []lm.ObjectiveRow {
	token := func(n int) int32 { return int32((n*37 + 5) % 120) }
	var rows []lm.ObjectiveRow
	for i, prefix := range []int{0, 3, 4, 6} {
		r := lm.ObjectiveRow{Shared: prefix, At: prefix + 1 + seed%2, NLLWeight: 0.25}
		for j := range prefix {
			r.Tokens = append(r.Tokens, token(i*7+j))
		}
		for j := range 4 + seed%3 {
			r.Tokens = append(r.Tokens, token(100+seed*11+j))
		}
		r.Targets = []lm.Target{{At: len(r.Tokens) - 1, Token: 9}}
		rows = append(rows, r)
	}
	return rows
}

// lossOf is the loss and gradient of the rows' value at some delta.
func lossOf(t *testing.T, m *Model, rows []lm.ObjectiveRow) []float64 {
	t.Helper()
	ctx := context.Background()
	o, err := m.Objective(ctx, 0, rows, rome.Batches(rows, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	delta, grad := make([]float32, m.info.Width), make([]float32, m.info.Width)
	for i := range delta {
		delta[i] = float32(i%7-3) / 50
	}
	loss, err := o.Step(ctx, 0, delta, grad)
	if err != nil {
		t.Fatal(err)
	}
	out := slices.Clone(loss.NLL)
	for _, g := range grad {
		out = append(out, float64(g))
	}
	return out
}

// An edit's numbers are the same to the last bit, whatever was edited before in
// the same process; prefixes are computed again only where they must be.
func TestPrefixesKept(t *testing.T) {
	for _, arch := range []string{"llama", "gemma3", "gpt2", "phi3"} {
		path := built.Tool("archs/" + arch + "-dense.gguf")
		if _, err := os.Stat(path); err != nil {
			t.Skip("no fixtures: run make archs")
		}
		t.Run(arch, func(t *testing.T) { testPrefixesKept(t, path, Options{}) })
	}
	// of quantised weights as many have copies as the memory allows
	path := filepath.Join(t.TempDir(), "q8.gguf")
	tiny := testmodel.Small(gguf.Q8_0)
	tiny.Layers = 5
	if err := tiny.Write(path); err != nil {
		t.Fatal(err)
	}
	for _, mib := range []int64{2, 20, 26, 32, 64} {
		t.Run(fmt.Sprintf("%d MiB", mib), func(t *testing.T) {
			testPrefixesKept(t, path, Options{Memory: mib << 20, GGMLOnly: true})
		})
	}
	t.Run("by the bridge's kernel", func(t *testing.T) { testPrefixesKept(t, path, Options{}) })
}

func testPrefixesKept(t *testing.T, path string, opts Options) {
	opts.KeepCopies, opts.CPUOnly = true, true
	open := func() *Model {
		m, err := Open(context.Background(), path, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	update := lm.Update{Layer: 0}
	m, fresh, edited := open(), open(), open()
	update.Left, update.Right = make([]float32, m.info.FeedForward[0]), make([]float32, m.info.Width)
	for i := range update.Left {
		update.Left[i] = float32(i%5-2) / 3
	}
	for i := range update.Right {
		update.Right[i] = float32(i%3-1) / 3
	}
	want := lossOf(t, fresh, prefixedRows(1))
	if err := edited.Apply([]lm.Update{update}); err != nil {
		t.Fatal(err)
	}
	wantEdited := lossOf(t, edited, prefixedRows(1))
	if slices.Equal(want, wantEdited) {
		t.Fatal("the update changes nothing")
	}

	lossOf(t, m, prefixedRows(2))
	first := m.kept.shared
	if first == nil {
		t.Fatal("no prefixes were kept")
	}
	if got := lossOf(t, m, prefixedRows(1)); !slices.Equal(got, want) {
		t.Errorf("behind another edit the loss is %v, not %v", got[:4], want[:4])
	}
	t.Logf("copies %d KiB, of them transposes %d", m.kept.copies.Bytes()>>10, m.kept.copies.TransposedBytes()>>10)
	if &m.kept.shared[1] != &first[1] {
		t.Error("the prefixes were computed again")
	}
	if err := m.Apply([]lm.Update{update}); err != nil {
		t.Fatal(err)
	}
	if got := lossOf(t, m, prefixedRows(1)); !slices.Equal(got, wantEdited) {
		t.Errorf("with an update at work the loss is %v, not %v", got[:4], wantEdited[:4])
	}
	if err := m.Apply(nil); err != nil {
		t.Fatal(err)
	}
	if got := lossOf(t, m, prefixedRows(1)); !slices.Equal(got, want) {
		t.Errorf("without the update again the loss is %v, not %v", got[:4], want[:4])
	}
	// fewer rows, as for a subject that is edited behind prefixes alone
	rows := prefixedRows(1)
	few := lossOf(t, open(), rows[1:])
	if got := lossOf(t, m, rows[1:]); !slices.Equal(got, few) {
		t.Errorf("of other rows the loss is %v, not %v", got[:3], few[:3])
	}
}
