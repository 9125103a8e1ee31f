package hypothesis

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/internal/logits"
	"retcon/internal/testmodel"
	"retcon/llama"
	"retcon/replay"
	"retcon/trace"
)

// alone scores a prompt and a text in real decodes, hooks at work in each.
func alone(t *testing.T, m *llama.Model, p trace.Prompt, text []int32, answer int32, hooks func(rows int) []llama.Hook) LayerChange {
	t.Helper()
	var c LayerChange
	row := make([]float32, m.Info().Vocab)
	for _, tokens := range [][]int32{p.Tokens, text} {
		k, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: len(tokens), Sequences: 1})
		if err != nil {
			t.Fatal(err)
		}
		var b llama.Batch
		for i, token := range tokens {
			b.Add(token, i, 0, true)
		}
		if err := k.DecodeHooked(context.Background(), &b, hooks(len(tokens))); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i := range tokens {
			if err := k.Logits(row, i); err != nil {
				t.Fatal(err)
			}
			if i+1 < len(tokens) {
				sum += logits.LogProbability(row, tokens[i+1])
			}
		}
		k.Close()
		c.Perplexity = perplexity(sum, len(tokens)-1)
		if len(tokens) == len(p.Tokens) {
			c.P, c.Kept = logits.Probability(row, answer), llama.Greedy(row) == answer
		}
	}
	return c
}

func sameChange(t *testing.T, what string, got, want LayerChange) {
	t.Helper()
	if math.Abs(got.P-want.P) > 1e-6 || got.Kept != want.Kept || math.Abs(got.Perplexity/want.Perplexity-1) > 1e-5 {
		t.Errorf("%s: %+v by surgery, %+v in a real decode", what, got, want)
	}
}

// Every change by surgery is the same in a real decode: a layer left out with
// hooks that make its modules' outputs nothing, layers exchanged in a file with
// their weights exchanged.
func TestLayersEqualDecodes(t *testing.T) {
	tiny := testmodel.Small(gguf.F32)
	tiny.Layers = 4
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tiny.Write(path); err != nil {
		t.Fatal(err)
	}
	m := load(t, path)
	p := trace.Prompt{Tokens: []int32{3, 99, 41, 7, 150, 12}, Begin: 1, End: 3}
	var text []int32
	for i := range 40 {
		text = append(text, int32(37*i*i+11*i+5)%250)
	}
	r, err := Layers(context.Background(), m, p, 2, LayersConfig{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	none := func(int) []llama.Hook { return nil }
	sameChange(t, "unchanged", LayerChange{P: r.PClean, Kept: true, Perplexity: r.Perplexity}, alone(t, m, p, text, r.AnswerToken, none))
	if len(r.Dropped) != 4 || len(r.Exchanged) != 3 || r.TextTokens != 39 {
		t.Fatalf("%+v", r)
	}
	sites := places(t, m)
	for l, got := range r.Dropped {
		sameChange(t, "left out", got, alone(t, m, p, text, r.AnswerToken, func(rows int) (hooks []llama.Hook) {
			all := make([]int32, rows)
			for i := range all {
				all[i] = int32(i)
			}
			for _, place := range sites[l] {
				hooks = append(hooks, llama.Hook{Place: place, Action: llama.Set, Width: m.Info().Width, Rows: all, Data: make([]float32, m.Info().Width)})
			}
			return hooks
		}))
		if got.Layer != l || got.P == r.PClean {
			t.Errorf("without layer %d: %+v", l, got)
		}
	}
	for l, got := range r.Exchanged {
		dst := filepath.Join(t.TempDir(), "exchanged.gguf")
		if err := testmodel.Exchange(dst, path, l, l+1); err != nil {
			t.Fatal(err)
		}
		sameChange(t, "exchanged", got, alone(t, load(t, dst), p, text, r.AnswerToken, none))
	}
	// without a text the answer is the same
	bare, err := Layers(context.Background(), m, p, 2, LayersConfig{NoText: true})
	if err != nil {
		t.Fatal(err)
	}
	for l, c := range bare.Dropped {
		if math.Abs(c.P-r.Dropped[l].P) > 1e-6 || c.Perplexity != 0 || bare.TextTokens != 0 {
			t.Errorf("without a text: %+v, not %+v", c, r.Dropped[l])
		}
	}
}

// places finds where each layer's modules hand their outputs over.
func places(t *testing.T, m *llama.Model) [][2]llama.Place {
	t.Helper()
	c, err := m.NewContext(llama.ContextParams{Cells: 64, Batch: 8, Sequences: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b llama.Batch
	for i := range 4 {
		b.Add(int32(i), i, 0, true)
	}
	d, err := replay.Record(context.Background(), c, b)
	if err != nil {
		t.Fatal(err)
	}
	var out [][2]llama.Place
	for _, l := range d.Sites.Layers {
		attn, err1 := llama.PlaceOf(d.Graph, l.Attention)
		ffn, err2 := llama.PlaceOf(d.Graph, l.FFN)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		out = append(out, [2]llama.Place{attn, ffn})
	}
	return out
}

// A long text is cut, and a model without a vocabulary cannot read the built-in one.
func TestLayersText(t *testing.T) {
	m, p := tinyModel(t)
	r, err := Layers(context.Background(), m, p, 2, LayersConfig{Text: make([]int32, 2000)})
	if err != nil {
		t.Fatal(err)
	}
	if r.TextTokens != mostText-1 {
		t.Errorf("%d tokens of a long text", r.TextTokens)
	}
	if _, err := Layers(context.Background(), m, p, 2, LayersConfig{}); !errors.Is(err, llama.ErrUnsupported) {
		t.Errorf("no vocabulary: %v", err)
	}
}

func TestLayersSentence(t *testing.T) {
	r := &LayersResult{Fact: Fact{Answer: " Paris", PClean: 0.63}, TextTokens: 200, Perplexity: 20,
		Exchanged: []LayerChange{{0, 0.1, false, "a", 400, nil}, {1, 0.5, true, " Paris", 21, nil}, {2, 0.6, true, " Paris", 22, nil}},
		Dropped:   []LayerChange{{0, 0, false, "a", 4000, nil}, {1, 0.5, true, " Paris", 22, nil}, {2, 0.4, true, " Paris", 24, nil}, {3, 0.2, false, "b", 26, nil}}}
	for _, want := range []string{`" Paris", of 63 %`, "in 2 of 3 pairs (median 50 %; median perplexity 22, highest 400 with layers 0 and 1)", "in 2 of 4 cases (median 30 %; median perplexity 25, highest 4000 with layer 0)", "perplexity 20 on that text of 200 tokens."} {
		if s := r.Sentence(); !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
	r.TextTokens, r.Perplexity = 0, 0
	for i := range r.Dropped {
		r.Dropped[i].Perplexity = 0
		r.Exchanged[min(i, 2)].Perplexity = 0
	}
	if s := r.Sentence(); strings.Contains(s, "perplexity") {
		t.Errorf("%q speaks of a text", s)
	}
}
