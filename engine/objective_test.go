package engine

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"

	"retcon/edit/rome"
	"retcon/internal/built"
	"retcon/lm"
)

// The keys that an objective meets on its way are those of a decode, at every
// layer and in every part of a batch.
func TestObjectiveKeys(t *testing.T) {
	for _, arch := range []string{"llama", "gemma3", "gpt2", "phi3", "phi2", "olmo2"} {
		path := built.Tool("archs/" + arch + "-dense.gguf")
		if _, err := os.Stat(path); err != nil {
			t.Skip("no fixtures: run make archs")
		}
		m, err := Open(context.Background(), path, Options{CPUOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		for layer := range m.info.Layers {
			t.Run(fmt.Sprint(arch, ", layer ", layer), func(t *testing.T) { testObjectiveKeys(t, m, layer) })
		}
	}
}

func testObjectiveKeys(t *testing.T, m *Model, layer int) {
	ctx := context.Background()
	rows := prefixedRows(3)
	for i := range rows[1:] {
		rows[1+i].Key = true
	}
	o, err := m.Objective(ctx, layer, rows, rome.Batches(rows, 2)) // the bare prompt and one other, in turns
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	keys, values, ok := o.(lm.Keyed).Keys()
	if !ok {
		t.Fatal("it knows no keys")
	}
	var own []lm.Row
	for _, r := range rows {
		own = append(own, lm.Row{Tokens: r.Tokens, At: r.At})
	}
	wantKeys, wantValues, err := m.Keys(ctx, layer, own)
	if err != nil {
		t.Fatal(err)
	}
	if keys[0] != nil {
		t.Error("the first row did not ask for its key")
	}
	for i := 1; i < len(rows); i++ {
		for what, pair := range map[string][2][]float32{"key": {keys[i], wantKeys[i]}, "value": {values[i], wantValues[i]}} {
			got, want := pair[0], pair[1]
			if len(got) != len(want) {
				t.Fatalf("row %d: a %s of %d numbers, not %d", i, what, len(got), len(want))
			}
			var diff, size float64
			for j, w := range want {
				diff, size = max(diff, math.Abs(float64(got[j]-w))), max(size, math.Abs(float64(w)))
			}
			if !(diff <= 1e-4*size) {
				t.Errorf("row %d: the %s is off by %g of %g", i, what, diff, size)
			}
		}
	}
}
