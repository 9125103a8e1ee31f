package engine_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"retcon/engine"
	"retcon/gguf/ffn"
	"retcon/internal/built"
	"retcon/lm"
)

// patchArchs are fixtures of every form of network: gated with biases and
// without, fused, without a gate, with a norm after it, squared, in parallel.
var patchArchs = []string{"llama", "qwen2", "qwen3", "gemma3", "gpt2", "phi3", "chatglm", "glm4", "phi2", "falcon", "nemotron", "mpt", "granite", "olmo2", "cohere2"}

func eachPatchArch(t *testing.T, test func(t *testing.T, path string, m *engine.Model)) {
	for _, arch := range patchArchs {
		path := built.Tool("archs/" + arch + "-dense.gguf")
		if _, err := os.Stat(path); err != nil {
			t.Skip("no fixtures: run make archs")
		}
		t.Run(arch, func(t *testing.T) { test(t, path, open(t, path, engine.Options{})) })
	}
}

func someTokens(n, seed int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32((i*37 + seed*11) % 120)
	}
	return out
}

// The network after the patches' site gives the model's own predictions, its
// queries are those of a plain decode, and its gradient is right.
func TestHead(t *testing.T) {
	ctx := context.Background()
	eachPatchArch(t, func(t *testing.T, _ string, m *engine.Model) {
		rows := []lm.HeadRow{{Tokens: someTokens(6, 1), From: 3}, {Tokens: someTokens(8, 2), From: 7}}
		h, err := m.Head(ctx, rows)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		targets, weights := []int32{5, 6, 7, 8}, []float32{1, 0.5, 0, 2}
		if err := h.Target(targets, weights); err != nil {
			t.Fatal(err)
		}
		n := len(h.Queries())
		add, grad, nll := make([]float32, n), make([]float32, n), make([]float64, 4)
		if err := h.Step(ctx, add, grad, nll); err != nil {
			t.Fatal(err)
		}
		checkHeadRows(t, m, rows, h, targets, nll)
		checkHeadGradient(t, h, weights, grad)
	})
}

func checkHeadRows(t *testing.T, m *engine.Model, rows []lm.HeadRow, h lm.Head, targets []int32, nll []float64) {
	t.Helper()
	ctx, width := context.Background(), m.Info().Width
	queries := slices.Clone(h.Queries())
	at := 0
	for _, r := range rows {
		for p := r.From; p < len(r.Tokens); p++ {
			prefix := r.Tokens[:p+1]
			want, err := m.LogProbs(ctx, []lm.Scored{{Tokens: append(slices.Clone(prefix), targets[at]), From: p + 1}})
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(nll[at]+want[0][0]) > 1e-4 {
				t.Errorf("position %d: -log p is %g, %g in a decode", at, nll[at], -want[0][0])
			}
			q, err := m.LastQueries(ctx, [][]int32{prefix})
			if err != nil {
				t.Fatal(err)
			}
			if d := largest(q[0], queries[at*width:][:width]); d > 1e-4 {
				t.Errorf("position %d: its query differs by %g from a hook's", at, d)
			}
			at++
		}
	}
}

func checkHeadGradient(t *testing.T, h lm.Head, weights []float32, grad []float32) {
	t.Helper()
	rng := rand.New(rand.NewPCG(4, 4))
	dir, want, norm := make([]float32, len(grad)), 0.0, 0.0
	for _, g := range grad {
		norm += float64(g) * float64(g)
	}
	norm = math.Sqrt(norm)
	for i := range dir {
		dir[i] = grad[i]/float32(norm) + float32(rng.NormFloat64()/math.Sqrt(float64(len(grad))))
		want += float64(dir[i]) * float64(grad[i])
	}
	loss := func(s float64) float64 {
		add, g, nll, sum := make([]float32, len(grad)), make([]float32, len(grad)), make([]float64, len(weights)), 0.0
		for i := range add {
			add[i] = float32(s) * dir[i]
		}
		if err := h.Step(context.Background(), add, g, nll); err != nil {
			t.Fatal(err)
		}
		for i, w := range weights {
			sum += float64(w) * nll[i]
		}
		return sum
	}
	best := math.Inf(1)
	for _, change := range []float64{0.3, 0.1, 0.03} {
		s := change / want
		best = min(best, math.Abs((loss(s)-loss(-s))/(2*s)-want)/want)
	}
	if !(best < 1e-2) {
		t.Errorf("the gradient is %g wrong along a direction", best)
	}
}

// Queries of whole texts are those of single positions.
func TestQueries(t *testing.T) {
	ctx := context.Background()
	eachPatchArch(t, func(t *testing.T, _ string, m *engine.Model) {
		texts := [][]int32{someTokens(9, 3), someTokens(4, 4), someTokens(140, 5)[:131]}
		at, seen := map[string][]float32{}, 0
		err := m.Queries(ctx, texts, func(text, pos int, q []float32) error {
			at[fmt.Sprint(text, " ", pos)] = slices.Clone(q)
			seen++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen != 9+4+131 {
			t.Errorf("%d queries", seen)
		}
		for _, k := range []struct{ text, pos int }{{0, 0}, {0, 8}, {1, 3}, {2, 100}} {
			q, err := m.LastQueries(ctx, [][]int32{texts[k.text][:k.pos+1]})
			if err != nil {
				t.Fatal(err)
			}
			if d := largest(q[0], at[fmt.Sprint(k.text, " ", k.pos)]); d > 1e-4 {
				t.Errorf("text %d at %d differs by %g", k.text, k.pos, d)
			}
		}
	})
}

// Neurons beside the network in memory do what they do in a file, biases that
// the file had not among them; without them the model is what it was.
func TestSetPatches(t *testing.T) {
	ctx := context.Background()
	eachPatchArch(t, func(t *testing.T, path string, m *engine.Model) {
		site, err := m.LastNetwork(ctx)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(6, 6))
		row := func() []float32 {
			v := make([]float32, site.Width)
			for i := range v {
				v[i] = float32(rng.NormFloat64() * 0.3)
			}
			return v
		}
		var neurons []ffn.Neuron
		for range 3 {
			n := ffn.Neuron{Up: row(), Down: row()}
			if site.Gated {
				n.Gate = row()
			}
			if site.Bias && site.Gated {
				n.GateBias = 0.7
			} else if site.Bias {
				n.UpBias = 0.7
			}
			neurons = append(neurons, n)
		}
		f := openFile(t, path)
		wide := widened(t, f, ffn.Widen{}, 3, func(r *ffn.Room) map[int64]ffn.Neuron {
			return map[int64]ffn.Neuron{r.Slots[0]: neurons[0], r.Slots[2]: neurons[1], 5: {}, r.Slots[1]: neurons[2]}
		}, nil)
		gone := negative(neuronOf(t, f, 5))
		base := modelLogits(t, m)
		if err := m.SetNeurons(append(neurons, gone)); err != nil {
			t.Fatal(err)
		}
		patched := modelLogits(t, m)
		file := open(t, wide, engine.Options{})
		written := modelLogits(t, file)
		comparePredictions(t, m, file)
		effect := largest(base, patched)
		if d := largest(patched, written); !(d < 2e-3*effect) {
			t.Errorf("in memory and in the file differ by %g, of an effect of %g", d, effect)
		}
		if err := m.SetNeurons(nil); err != nil {
			t.Fatal(err)
		}
		if d := largest(base, modelLogits(t, m)); d != 0 {
			t.Errorf("without patches the model differs by %g", d)
		}
	})
}

// comparePredictions scores rows that begin alike, and so share tokens.
func comparePredictions(t *testing.T, m, file *engine.Model) {
	t.Helper()
	var rows []lm.Scored
	for i := range 4 {
		rows = append(rows, lm.Scored{Tokens: append(someTokens(5, 1), someTokens(4, i)...), From: 3})
	}
	a, err := m.Predict(context.Background(), rows)
	if err != nil {
		t.Fatal(err)
	}
	b, err := file.Predict(context.Background(), rows)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		for j := range a[i] {
			if d := math.Abs(a[i][j].LogProb - b[i][j].LogProb); !(d < 2e-3*max(1, math.Abs(b[i][j].LogProb))) {
				t.Errorf("row %d: token %d has %v with patches in memory, %v in the file", i, j, a[i][j], b[i][j])
			}
		}
	}
}

func negative(n ffn.Neuron) ffn.Neuron {
	n.Down = slices.Clone(n.Down)
	for i := range n.Down {
		n.Down[i] = -n.Down[i]
	}
	return n
}

func modelLogits(t testing.TB, m *engine.Model) []float32 {
	t.Helper()
	var all []float32
	err := m.Logits(context.Background(), someTokens(7, 9), func(_ int, logits []float32) error {
		all = append(all, logits...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Networks that are no plain ones are refused by name.
func TestPatchSiteRefuses(t *testing.T) {
	for _, name := range []string{"llama-moe", "mamba-dense", "olmoe-moe"} {
		path := built.Tool("archs/" + name + ".gguf")
		if _, err := os.Stat(path); err != nil {
			t.Skip("no fixtures: run make archs")
		}
		m, err := engine.Open(context.Background(), path, engine.Options{CPUOnly: true})
		if err == nil {
			_, err = m.LastNetwork(context.Background())
			m.Close()
		}
		if err == nil {
			t.Errorf("%s was taken", name)
		} else if arch, _, _ := strings.Cut(name, "-"); !strings.Contains(err.Error(), "architecture "+arch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
