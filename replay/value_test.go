package replay

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/built"
	"retcon/internal/testmodel"
	"retcon/llama"
)

// testRows decodes prefixes of different lengths and gives rows with targets,
// more than one target in a row, and a row for the KL term.
func testRows(t testing.TB, c *llama.Context, vocab int) []ValueRow {
	t.Helper()
	token := func(seq, pos int) int32 { return int32((31*pos*pos + 17*seq + 5*pos + 3) % vocab) }
	var prefix llama.Batch
	rows := make([]ValueRow, 4)
	for seq := range rows {
		n := 2 + seq
		for pos := range n {
			prefix.Add(token(seq, pos), pos, seq, false)
		}
		r := &rows[seq]
		r.Sequence, r.Position = seq, n
		for i := range 24 + seq%2 {
			r.Tokens = append(r.Tokens, token(seq, n+i))
		}
		last := len(r.Tokens) - 1
		if seq == 3 {
			r.KeepAt, r.KLWeight = 0, 0.25
			continue
		}
		r.TargetWeight = 0.2
		r.Targets = []Target{{At: last, Token: token(seq, 40)}}
		if seq == 1 {
			r.Targets = append(r.Targets, Target{At: last - 1, Token: token(seq, 41)})
		}
	}
	if err := c.Decode(context.Background(), &prefix); err != nil {
		t.Fatal(err)
	}
	return rows
}

func openModel(t testing.TB, path string) (*llama.Model, *llama.Context) {
	return openWith(t, path, llama.ModelParams{CPUOnly: true})
}

func openWith(t testing.TB, path string, params llama.ModelParams) (*llama.Model, *llama.Context) {
	t.Helper()
	m, err := llama.LoadModel(context.Background(), path, params)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.NewContext(llama.ContextParams{Cells: 256, Batch: 128, Sequences: 8})
	if err != nil {
		m.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, c
}

// stepResult is the loss and gradient of one step.
type stepResult struct {
	nll, kl  []float64
	grad     []float32
	segments int
	bytes    int64
	local    bool
}

func step(t testing.TB, c *llama.Context, layer int, rows []ValueRow, memory int64, typ graph.Type, keep bool) stepResult {
	t.Helper()
	return stepOf(t, c, ValueSpec{Layer: layer, Batches: [][]ValueRow{rows}}, memory, typ, keep)
}

func stepOf(t testing.TB, c *llama.Context, spec ValueSpec, memory int64, typ graph.Type, keep bool) stepResult {
	t.Helper()
	ctx := context.Background()
	v, err := NewValue(ctx, c, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var tr *Transposed
	transposes := tr.Use
	switch {
	case keep && spec.Copies != nil:
		if transposes, err = spec.Copies.Transposes(ctx, v.Slice()); err != nil {
			t.Fatal(err)
		}
	case keep:
		if tr, err = Transpose(ctx, c, v.Slice(), typ); err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		transposes = tr.Use
	}
	if err := v.Build(ctx, transposes, memory); err != nil {
		t.Fatal(err)
	}
	width := c.Model().Info().Width
	delta := make([]float32, width)
	for i := range delta {
		delta[i] = float32(math.Sin(float64(3*i))) * 0.05
	}
	r := stepResult{grad: make([]float32, width), segments: v.chain.Segments(), bytes: v.chain.Bytes(), local: v.Local()}
	if r.nll, r.kl, err = v.Step(ctx, 0, delta, r.grad); err != nil {
		t.Fatal(err)
	}
	return r
}

func relative(a, b []float32) float64 {
	d, n := 0.0, 0.0
	for i := range b {
		d += float64(a[i]-b[i]) * float64(a[i]-b[i])
		n += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(d / n)
}

func sameLosses(t *testing.T, what string, a, b []float64, tolerance float64) {
	t.Helper()
	for i := range a {
		if math.Abs(a[i]-b[i]) > tolerance {
			t.Errorf("%s: loss %d is %g, not %g", what, i, a[i], b[i])
		}
	}
}

// A program in as many segments as layers gives the values and gradients of
// the whole one; so does one whose rows are split in two groups; and the
// compute buffer is within the bound where the bound can be met at all.
func TestSplitEqualsWhole(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			rows := testRows(t, c, m.Info().Vocab)
			whole := step(t, c, 0, rows, 0, 0, false)
			split := step(t, c, 0, rows, 1, 0, false)
			if split.segments < 2 && m.Info().Layers > 2 {
				t.Errorf("the chain has %d segments", split.segments)
			}
			t.Logf("%d segments: %d bytes, whole %d", split.segments, split.bytes, whole.bytes)
			sameLosses(t, "split by layer", split.nll, whole.nll, 0)
			sameLosses(t, "split by layer", split.kl, whole.kl, 0)
			if d := relative(split.grad, whole.grad); d > 1e-6 {
				t.Errorf("split by layer: the gradient is off by %g", d)
			}
			if split.bytes >= whole.bytes && m.Info().Layers > 2 {
				t.Errorf("%d bytes in segments, %d whole", split.bytes, whole.bytes)
			}
			bound := (split.bytes + whole.bytes) / 2
			if some := step(t, c, 0, rows, bound, 0, false); some.bytes > bound && split.bytes < bound {
				t.Errorf("asked for %d bytes, got %d in %d segments", bound, some.bytes, some.segments)
			}
			groupsEqualWhole(t, c, rows, whole, strings.Contains(path, "Q4_1"))
		})
	}
}

func groupsEqualWhole(t *testing.T, c *llama.Context, rows []ValueRow, whole stepResult, quantised bool) {
	a := step(t, c, 0, rows[:2], 0, 0, false)
	b := step(t, c, 0, rows[2:], 0, 0, false)
	for i, v := range b.grad {
		a.grad[i] += v
	}
	// Other batch shapes take other paths through the kernels. On F32 weights
	// that is rounding; where products round activations to 8 bits, a value on
	// the edge goes the other way, and with meaningless tokens that grows.
	loss, grad := 1e-4, 1e-3
	if quantised {
		loss, grad = 0.2, 0.05
	}
	sameLosses(t, "two groups", append(a.nll, b.nll...), whole.nll, loss)
	sameLosses(t, "two groups", append(a.kl, b.kl...), whole.kl, loss)
	if d := relative(a.grad, whole.grad); d > grad {
		t.Errorf("two groups: the gradient is off by %g", d)
	}
}

// Attention over a row's own sequence gives the values and gradients of
// attention over the whole cache.
func TestLocalEqualsUnified(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			rows := testRows(t, c, m.Info().Vocab)
			// products that round activations to 8 bits would hide the comparison
			plain := NewCopies(c, graph.F32, 4<<30)
			defer plain.Drop()
			spec := ValueSpec{Batches: [][]ValueRow{rows}, Copies: plain}
			got := stepOf(t, c, spec, 0, 0, false)
			spec.Unified = true
			want := stepOf(t, c, spec, 0, 0, false)
			if !got.local || want.local {
				t.Errorf("attention is local: %v, unified: %v", got.local, want.local)
			}
			loss, grad := 1e-4, 1e-4
			sameLosses(t, "local", got.nll, want.nll, loss)
			sameLosses(t, "local", got.kl, want.kl, loss)
			if d := relative(got.grad, want.grad); d > grad {
				t.Errorf("the gradient is off by %g", d)
			} else {
				t.Logf("the gradient is off by %g", d)
			}
		})
	}
}

// Kept transposes give the gradient of products transposed on the way: exactly
// in F32, and within the rounding of 8 bits in BF16.
func TestKeptTransposes(t *testing.T) {
	for _, path := range splitModels(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			m, c := openModel(t, path)
			rows := testRows(t, c, m.Info().Vocab)
			want := step(t, c, 0, rows, 0, 0, false)
			if got := step(t, c, 0, rows, 0, graph.F32, true); relative(got.grad, want.grad) > 1e-4 {
				t.Errorf("F32: the gradient is off by %g", relative(got.grad, want.grad))
			}
			if got := step(t, c, 0, rows, 0, graph.BF16, true); relative(got.grad, want.grad) > 0.02 {
				t.Errorf("BF16: the gradient is off by %g", relative(got.grad, want.grad))
			}
		})
	}
}

// Weights as they are, or copies of those that the bridge's kernel does not take,
// give the gradient of kept transposes, and take no memory for these.
func TestCopiesInPlace(t *testing.T) {
	strange := filepath.Join(t.TempDir(), "mxfp4.gguf") // ggml alone dequantises it
	if err := testmodel.Small(gguf.MXFP4).Write(strange); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(splitModels(t), strange) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			var got [2]stepResult
			var held [2]int64
			direct := false
			for i, ggmlOnly := range []bool{true, false} {
				m, c := openWith(t, path, llama.ModelParams{CPUOnly: true, GGMLOnly: ggmlOnly})
				if !ggmlOnly && !c.OwnKernel(graph.F32) {
					t.Skip("the bridge has no kernel for this processor")
				}
				var err error
				if direct, err = OwnKernel(t.Context(), c); err != nil || direct && (ggmlOnly || path == strange) {
					t.Fatalf("the bridge's kernel takes all weights: %v, %v", direct, err)
				}
				c.Clear()
				rows := testRows(t, c, m.Info().Vocab)
				copies := NewCopies(c, graph.F32, 4<<30)
				got[i] = stepOf(t, c, ValueSpec{Batches: [][]ValueRow{rows}, Copies: copies}, 0, 0, true)
				held[i] = copies.Bytes()
				copies.Drop()
			}
			// ggml looks GELU up in a table of halves, so that a last bit may become their last
			if d := relative(got[1].grad, got[0].grad); d > 1e-3 {
				t.Errorf("the gradient is off by %g", d)
			}
			sameLosses(t, "in place", got[1].nll, got[0].nll, 1e-4)
			most := int64(0)
			if !direct {
				most = held[0] * 2 / 3
			}
			if held[1] > most || held[0] == 0 {
				t.Errorf("copies take %d bytes, with transposes %d", held[1], held[0])
			}
		})
	}
}

// splitModels are the demo model, if it is there, and fixtures of each way to
// build a block: pre-norm, parallel, post-norm, fused, two caches.
func splitModels(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, p := range []string{"../third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf", built.Tool("SmolLM2-135M-Instruct.F32.gguf")} {
		if _, err := os.Stat(p); err == nil {
			paths = append(paths, p)
		}
	}
	return append(paths, fixtures(t, "llama-dense", "gptneox-dense", "olmo2-dense", "phi3-dense", "gemma3-dense", "command-r-dense")...)
}

// fixtures are the paths of tiny models that llama.cpp's own test writes.
func fixtures(t *testing.T, names ...string) []string {
	t.Helper()
	var paths []string
	for _, n := range names {
		p := built.Tool("archs/" + n + ".gguf")
		if _, err := os.Stat(p); err != nil {
			t.Skip("no fixtures: run make archs")
		}
		paths = append(paths, p)
	}
	return paths
}
