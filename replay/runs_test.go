package replay_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"retcon/graph"
	"retcon/llama"
	"retcon/replay"
)

// architecturesTraced is the number of fixtures whose layers run one by one.
// It only grows.
const architecturesTraced = 60

// On every architecture: layers one by one give the decode's logits, and runs
// that begin at a later token on what they share of a base give the base's.
func TestRunsEqualDecode(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(archDir, "*.gguf"))
	if len(files) == 0 {
		t.Skip("no fixtures: run make archs")
	}
	covered := 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".gguf")
		t.Run(name, func(t *testing.T) {
			m, err := llama.LoadModel(context.Background(), f, llama.ModelParams{CPUOnly: true})
			if err != nil {
				t.Skip(err)
			}
			defer m.Close()
			if testRuns(t, m) {
				covered++
			}
		})
	}
	if len(files) > 100 && covered < architecturesTraced {
		t.Errorf("%d architectures run layer by layer, %d did", covered, architecturesTraced)
	}
}

func testRuns(t *testing.T, m *llama.Model) bool {
	t.Helper()
	ctx := context.Background()
	c, err := m.NewContext(llama.ContextParams{Cells: 256, Batch: 64, Sequences: 8})
	if err != nil {
		t.Skip(err)
	}
	defer c.Close()
	tokens := make([]int32, 7)
	for i := range tokens {
		tokens[i] = int32((i*37 + 5) % m.Info().Vocab)
	}
	base, err := replay.NewRuns(ctx, c, tokens, []replay.Run{{}}, 0)
	if err != nil {
		if !errors.Is(err, llama.ErrUnsupported) && !errors.Is(err, graph.ErrGraph) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	rows := []int32{0, 1, 2, 3, 4, 5, 6}
	runs := []replay.Run{{First: 2, Rows: rows}, {First: 6, Rows: rows}, {First: 4, Rows: rows}}
	later, err := replay.NewRuns(ctx, c, tokens, runs, base.Rows())
	if err != nil {
		t.Fatal(err)
	}
	var got, shared []float32
	if got, shared, err = chain(ctx, m.Info(), base, later); err != nil {
		if errors.Is(err, graph.ErrGraph) || errors.Is(err, llama.ErrUnsupported) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	want := promptLogits(t, c, tokens)
	if d := difference(got, want); !(d < 1e-5) {
		t.Errorf("layer by layer the logits differ by %g", d)
	}
	for i := range runs {
		if d := difference(shared[i*len(want):][:len(want)], want); !(d < 1e-5) {
			t.Errorf("run %d on the base differs by %g", i, d)
		}
	}
	return !t.Failed()
}

// chain takes a base and runs on it through all layers.
func chain(ctx context.Context, info llama.ModelInfo, base, later *replay.Runs) (got, shared []float32, err error) {
	if got, err = base.Embedding(ctx); err != nil {
		return nil, nil, err
	}
	shared = later.Gather(got, info.Width)
	var s *replay.Shares
	for l := range info.Layers {
		b, err := base.Layer(ctx, replay.LayerSpec{Layer: l, Keep: true})
		if err != nil {
			return nil, nil, err
		}
		defer b.Close()
		if s != nil {
			if err := b.Share(s); err != nil {
				return nil, nil, err
			}
		}
		if err := b.Run(ctx, got, nil); err != nil {
			return nil, nil, err
		}
		if s, err = b.Shares(s); err != nil {
			return nil, nil, err
		}
		if got, err = b.Stream(); err != nil {
			return nil, nil, err
		}
		x, err := later.Layer(ctx, replay.LayerSpec{Layer: l})
		if err != nil {
			return nil, nil, err
		}
		defer x.Close()
		if err := x.Share(s); err != nil {
			return nil, nil, err
		}
		if err := x.Run(ctx, shared, nil); err != nil {
			return nil, nil, err
		}
		if shared, err = x.Stream(); err != nil {
			return nil, nil, err
		}
	}
	return got, shared, nil
}

// promptLogits gives the logits after a prompt.
func promptLogits(t *testing.T, c *llama.Context, tokens []int32) []float32 {
	t.Helper()
	var b llama.Batch
	for i, x := range tokens {
		b.Add(x, i, 0, i == len(tokens)-1)
	}
	c.Clear()
	if err := c.Decode(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, c.Model().Info().Vocab)
	if err := c.Logits(logits, len(tokens)-1); err != nil {
		t.Fatal(err)
	}
	return logits
}

// difference is the largest difference relative to the largest value.
func difference(a, b []float32) float64 {
	worst, size := 0.0, 1e-30
	for i := range b {
		worst = max(worst, math.Abs(float64(a[i]-b[i])))
		size = max(size, math.Abs(float64(b[i])))
	}
	return worst / size
}
