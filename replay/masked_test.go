package replay_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"retcon/gguf"
	"retcon/internal/testmodel"
	"retcon/llama"
	"retcon/replay"
)

// load loads a model for the length of a test.
func load(t *testing.T, path string) *llama.Model {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// tinyModel is a model of four layers.
func tinyModel(t *testing.T) *llama.Model {
	t.Helper()
	m := testmodel.Small(gguf.F32)
	m.Layers = 4
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := m.Write(path); err != nil {
		t.Fatal(err)
	}
	return load(t, path)
}

func newContext(t *testing.T, m *llama.Model) *llama.Context {
	t.Helper()
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: 32, Sequences: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// prompt is a batch of tokens at positions from first on, logits everywhere.
func prompt(tokens []int32, first, seq int) llama.Batch {
	var b llama.Batch
	for i, token := range tokens {
		b.Add(token, first+i, seq, true)
	}
	return b
}

// cutEverywhere runs the decode with edges cut in all layers.
func cutEverywhere(t *testing.T, d *replay.Decode, m *replay.Masked, edges []replay.Edge) []float32 {
	t.Helper()
	for l := range d.Sites.Layers {
		if err := m.Cut(l, edges); err != nil {
			t.Fatal(err)
		}
	}
	logits := make([]float32, d.Batch.Len()*d.Context.Model().Info().Vocab)
	if err := m.Run(context.Background(), logits); err != nil {
		t.Fatal(err)
	}
	return logits
}

// decoded is the logits of all rows of a real decode.
func decoded(t *testing.T, c *llama.Context, b llama.Batch) []float32 {
	t.Helper()
	if err := c.Decode(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	n := c.Model().Info().Vocab
	out := make([]float32, b.Len()*n)
	for i := range b.Len() {
		if err := c.Logits(out[i*n:][:n], i); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// apart is the largest difference, over the largest value.
func apart(got, want []float32) float64 {
	worst, size := 0.0, 0.0
	for i, v := range want {
		worst = max(worst, math.Abs(float64(got[i]-v)))
		size = max(size, math.Abs(float64(v)))
	}
	return worst / size
}

// The rows are summed in another order where cells lie elsewhere.
const rounding = 1e-5

// Tokens that no later row sees in any layer might as well not be there: the
// same experiment by a real decode of the later tokens alone, at their
// positions. It has no graph surgery in common with the cut.
func TestCutTokensAreAbsent(t *testing.T) {
	tokens := []int32{3, 99, 41, 7, 150, 12}
	m := tinyModel(t)
	vocab := m.Info().Vocab
	for hidden := 1; hidden < len(tokens); hidden++ {
		c := newContext(t, m)
		d, err := replay.Record(context.Background(), c, prompt(tokens, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		masked, err := replay.NewMasked(context.Background(), d)
		if err != nil {
			t.Fatal(err)
		}
		var edges []replay.Edge
		for from := range hidden {
			for to := hidden; to < len(tokens); to++ {
				edges = append(edges, replay.Edge{From: from, To: to})
			}
		}
		whole := cutEverywhere(t, d, masked, nil)
		got := cutEverywhere(t, d, masked, edges)[hidden*vocab:]
		want := decoded(t, newContext(t, m), prompt(tokens[hidden:], hidden, 0))
		if e := apart(got, want); !(e < rounding) {
			t.Errorf("%d tokens cut: %g from a decode without them", hidden, e)
		}
		if e := apart(got, whole[hidden*vocab:]); !(e > 1e-3) {
			t.Errorf("%d tokens cut: %g from the decode with them", hidden, e)
		}
	}
}

// The same with tokens in front of those that are cut. llama.cpp lets positions
// jump inside a sequence for models whose positions have several parts.
func TestCutTokensInTheMiddle(t *testing.T) {
	path := filepath.Join(archDir, "qwen2vl-dense.gguf")
	if files, _ := filepath.Glob(path); len(files) == 0 {
		t.Skip("no fixtures: run make archs")
	}
	tokens := []int32{3, 99, 41, 7, 15, 12}
	const begin, end = 2, 4
	m := load(t, path)
	c := newContext(t, m)
	d, err := replay.Record(context.Background(), c, prompt(tokens, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	masked, err := replay.NewMasked(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	var edges []replay.Edge
	for from := begin; from < end; from++ {
		for to := end; to < len(tokens); to++ {
			edges = append(edges, replay.Edge{From: from, To: to})
		}
	}
	vocab := m.Info().Vocab
	got := cutEverywhere(t, d, masked, edges)[end*vocab:]
	other := newContext(t, m)
	decoded(t, other, prompt(tokens[:begin], 0, 0))
	want := decoded(t, other, prompt(tokens[end:], end, 0))
	if e := apart(got, want); !(e < rounding) {
		t.Errorf("%g from a decode without them", e)
	}
}

// With nothing cut the program is the decode, for every architecture; an edge
// cut in any one layer changes the row that it led to, and no row before it.
func TestMaskedArchitectures(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(archDir, "*.gguf"))
	if len(files) == 0 {
		t.Skip("no fixtures: run make archs")
	}
	covered := 0
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			d := recordArch(t, f)
			if d == nil {
				return
			}
			masked, err := replay.NewMasked(context.Background(), d)
			if err != nil {
				t.Fatal(err)
			}
			checkMasked(t, d, masked)
			covered++
		})
	}
	if len(files) > 100 && covered < architecturesCovered {
		t.Errorf("%d architectures are covered, %d were", covered, architecturesCovered)
	}
}

// recordArch records a decode of two sequences, nil where replay refuses the
// model.
func recordArch(t *testing.T, path string) *replay.Decode {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
	if err != nil {
		return nil
	}
	t.Cleanup(func() { m.Close() })
	if replay.Supported(m.Info()) != nil {
		return nil
	}
	b := prompt([]int32{3, 9, 41, 7, 15}, 0, 0)
	for i, token := range []int32{8, 27, 33} {
		b.Add(token, i, 1, true)
	}
	d, err := replay.Record(context.Background(), newContext(t, m), b)
	if errors.Is(err, llama.ErrUnsupported) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func checkMasked(t *testing.T, d *replay.Decode, masked *replay.Masked) {
	t.Helper()
	vocab := d.Context.Model().Info().Vocab
	want := cutEverywhere(t, d, masked, nil)
	diff, err := fromDecode(d, want)
	if err != nil {
		t.Fatal(err)
	}
	if diff != 0 {
		t.Errorf("nothing cut differs from the decode by %g", diff)
	}
	got := make([]float32, len(want))
	for l := range d.Sites.Layers {
		if err := masked.Cut(l, []replay.Edge{{From: 3, To: 4}, {From: 5, To: 7}}); err != nil {
			t.Fatal(err)
		}
		if err := masked.Run(context.Background(), got); err != nil {
			t.Fatal(err)
		}
		for row := range d.Batch.Len() {
			changed := apart(got[row*vocab:][:vocab], want[row*vocab:][:vocab])
			if cut := row == 4 || row == 7; cut != (changed > 0) || math.IsNaN(changed) {
				t.Errorf("cut in layer %d: row %d changed by %g", l, row, changed)
			}
		}
		if err := masked.Cut(l, nil); err != nil {
			t.Fatal(err)
		}
	}
	if again := cutEverywhere(t, d, masked, nil); apart(again, want) != 0 {
		t.Error("a cut is still there after it was taken back")
	}
	if err := masked.Cut(0, []replay.Edge{{From: 0, To: 0}}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("a row that sees nothing: %v", err)
	}
}
