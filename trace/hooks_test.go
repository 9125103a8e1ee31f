package trace

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"retcon/gguf"
	"retcon/graph"
	"retcon/internal/logits"
	"retcon/internal/testmodel"
	"retcon/llama"
	"retcon/replay"
)

// tiny is a model of four layers and a prompt for it.
func tiny(t *testing.T) (*llama.Model, Prompt) { return tinyOf(t, gguf.F32) }

func tinyOf(t *testing.T, weights gguf.Type) (*llama.Model, Prompt) {
	return tinyWith(t, weights, llama.ModelParams{CPUOnly: true})
}

func tinyWith(t *testing.T, weights gguf.Type, params llama.ModelParams) (*llama.Model, Prompt) {
	t.Helper()
	m := testmodel.Small(weights)
	m.Vocab = 320 // unlike any other width: the output matrix is told by it
	m.Layers = 4
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := m.Write(path); err != nil {
		t.Fatal(err)
	}
	lm, err := llama.LoadModel(context.Background(), path, params)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lm.Close() })
	return lm, Prompt{Tokens: []int32{3, 99, 41, 7, 150, 12}, Begin: 1, End: 3}
}

// Every cell of the grids and every severed run, done by graph surgery, is the
// same experiment done with hooks in a real decode.
func TestSurgeryEqualsHooks(t *testing.T) {
	m, p := tiny(t)
	noise := GaussianNoise(5, 3, p.End-p.Begin, m.Info().Width, 0.5)
	tr := New(m, Options{})
	defer tr.Close()
	r, err := tr.Run(context.Background(), p, Config{
		Corruption: Corruption{Noise: noise}, Window: 2, Hidden: true, MLP: true, Attn: true, Sever: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := newHooked(t, m, p, noise)
	same := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: %g by surgery, %g with hooks", what, got, want)
		}
	}
	layers := m.Info().Layers
	for token := p.Begin; token < len(p.Tokens); token++ {
		for l := range layers {
			if l == layers-1 && token != len(p.Tokens)-1 {
				continue // not computed: nothing but the last token is read there
			}
			same("hidden", r.Hidden[token][l], h.run(h.residual(l, token)))
			begin, end := max(0, l-1), min(layers, l+1)
			same("mlp", r.MLP[token][l], h.run(h.modules(begin, end, token, false, 0)...))
			same("attn", r.Attn[token][l], h.run(h.modules(begin, end, token, true, 0)...))
		}
	}
	for l := range layers - 1 {
		last := p.End - 1
		same("single", r.Severed.Single[l], h.run(h.residual(l, last)))
		same("mlp severed", r.Severed.MLPSevered[l], h.run(append(h.modules(0, layers, last, false, 1), h.residual(l, last))...))
		same("attn severed", r.Severed.AttnSevered[l], h.run(append(h.modules(0, layers, last, true, 1), h.residual(l, last))...))
	}
	for token := range p.Begin {
		for l := range layers {
			same("a token before the subject", r.Hidden[token][l], r.PCorrupted)
		}
	}
}

// A trace that does not fit the memory is split by samples, tokens and layers,
// which changes nothing.
func TestPartsEqualWhole(t *testing.T) {
	m, p := tiny(t)
	cfg := Config{
		Corruption: Corruption{Noise: GaussianNoise(5, 3, p.End-p.Begin, m.Info().Width, 0.5)},
		Window:     2, Hidden: true, MLP: true, Attn: true, Sever: true, Foil: FoilToken(4),
	}
	var want *Result
	parts := map[int]bool{}
	least := replay.ProcessBytes(m.Info().Vocab) + planned(m, p, Options{}, func(*Config) {}).contextBytes(1, 1)
	for _, memory := range []int64{0, least + 200<<10, least + 60<<10, 1} {
		tr := New(m, Options{Memory: memory})
		defer tr.Close()
		j := unplanned(tr, p, cfg)
		n := 0
		plan := j.newPlan()
		for _, chunk := range plan.samples {
			for _, g := range plan.groups(chunk) {
				n += len(plan.experiments(j, g))
			}
		}
		parts[n] = true
		got, err := tr.Run(context.Background(), p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		got.Seconds = want.Seconds
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-6)); d != "" {
			t.Errorf("in %d parts: %s", n, d)
		}
	}
	if len(parts) != 4 {
		t.Errorf("parts: %v", parts)
	}
}

// hooked runs the corrupted samples in a real decode with hooks.
type hooked struct {
	t     *testing.T
	c     *llama.Context
	d     *replay.Decode
	p     Prompt
	noise [][]float32
	base  *states
}

func newHooked(t *testing.T, m *llama.Model, p Prompt, noise [][]float32) *hooked {
	t.Helper()
	n := (len(noise) + 1) * len(p.Tokens)
	c, err := m.NewContext(llama.ContextParams{Cells: 256, Batch: n, Sequences: len(noise) + 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	d, err := replay.Record(context.Background(), c, wholeRuns(p, 1, true))
	if err != nil {
		t.Fatal(err)
	}
	c.Clear()
	h := &hooked{t: t, c: c, d: d, p: p, noise: noise}
	if h.base, err = baseline(context.Background(), c, d.Graph, d.Sites, p, noise); err != nil {
		t.Fatal(err)
	}
	return h
}

// set overwrites a site at a token of every corrupted run: with the clean run's
// value, or with each run's own corrupted one.
func (h *hooked) set(site graph.ID, values []float32, token int, own bool) llama.Hook {
	h.t.Helper()
	place, err := llama.PlaceOf(h.d.Graph, site)
	if err != nil {
		h.t.Fatal(err)
	}
	k := llama.Hook{Place: place, Action: llama.Set, Width: h.base.width}
	for s := range h.noise {
		run := 0
		if own {
			run = s + 1
		}
		k.Rows = append(k.Rows, int32((s+1)*len(h.p.Tokens)+token))
		k.Data = append(k.Data, h.base.row(values, run, token)...)
	}
	return k
}

func (h *hooked) residual(layer, token int) llama.Hook {
	return h.set(h.d.Sites.Layers[layer].Residual, h.base.residual[layer], token, false)
}

func (h *hooked) modules(begin, end, token int, attention bool, own int) []llama.Hook {
	var out []llama.Hook
	for l := begin; l < end; l++ {
		site, values := h.d.Sites.Layers[l].FFN, h.base.ffn[l]
		if attention {
			site, values = h.d.Sites.Layers[l].Attention, h.base.attn[l]
		}
		out = append(out, h.set(site, values, token, own == 1))
	}
	return out
}

// run decodes with the noise and the hooks and gives the answer's mean
// probability.
func (h *hooked) run(hooks ...llama.Hook) float64 {
	h.t.Helper()
	place, err := llama.PlaceOf(h.d.Graph, h.d.Sites.Embedding)
	if err != nil {
		h.t.Fatal(err)
	}
	h.c.Clear()
	b := wholeRuns(h.p, len(h.noise)+1, true)
	all := append([]llama.Hook{noiseHook(place, h.p, h.noise, h.base.width)}, hooks...)
	if err := h.c.DecodeHooked(context.Background(), &b, all); err != nil {
		h.t.Fatal(err)
	}
	s := &states{tokens: len(h.p.Tokens), runs: len(h.noise) + 1}
	row := make([]float32, h.c.Model().Info().Vocab)
	sum := 0.0
	for run := 1; run < s.runs; run++ {
		if err := h.c.Logits(row, (run+1)*s.tokens-1); err != nil {
			h.t.Fatal(err)
		}
		sum += logits.Probability(row, h.base.clean) / float64(s.runs-1)
	}
	return sum
}
