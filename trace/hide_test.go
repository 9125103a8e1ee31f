package trace

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/llama"
	"retcon/lm"
)

func TestHidingNames(t *testing.T) {
	for want, h := range map[string]Hiding{
		"noise":                            {},
		"swap":                             {Swap: true, Replace: true},
		"uniform noise":                    {Level: Level{Value: 1, Uniform: true}},
		"noise in place of the embeddings": {Replace: true},
		"uniform noise in place of the embeddings": {Level: Level{Uniform: true}, Replace: true},
	} {
		if got := h.Name(); got != want {
			t.Errorf("%+v: %q", h, got)
		}
	}
}

// A hider knows its level and where that is from, and hides what it is told to.
func TestHider(t *testing.T) {
	m, p := tiny(t)
	ctx := context.Background()
	deviation, err := EmbeddingDeviation(ctx, m.Info().Path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHider(ctx, m, Hiding{Seed: 7})
	if err != nil || h.Figure != 3*deviation || !strings.HasPrefix(h.From, "3 times the deviation of the embedding table") {
		t.Fatalf("%+v, %v", h, err)
	}
	c, swapped, err := h.Hide(p, "")
	if d := cmp.Diff(GaussianNoise(7, 10, p.End-p.Begin, m.Info().Width, h.Figure), c.Noise); d != "" || swapped != nil || err != nil {
		t.Errorf("noise: %v %s", err, d)
	}
	if h, err = NewHider(ctx, m, Hiding{Level: Level{Value: 0.1, Uniform: true}, Samples: 2, Replace: true}); err != nil || h.Figure != 0.1 || h.From != "given" {
		t.Fatalf("%+v, %v", h, err)
	}
	if c, _, _ = h.Hide(p, ""); len(c.Noise) != 2 || !c.Replace || slices.Max(c.Noise[0]) > 0.1 {
		t.Errorf("%d samples", len(c.Noise))
	}
	if h, err = NewHider(ctx, m, Hiding{Samples: MaxSamples, Memory: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Hide(p, ""); !errors.Is(err, ErrPrompt) || !strings.Contains(err.Error(), "1.0 MB may be taken for it") {
		t.Errorf("more noise than there is room for: %v", err)
	}
	for _, n := range []int{-1, MaxSamples + 1} {
		if _, err := NewHider(ctx, m, Hiding{Samples: n}); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%d samples: %v", n, err)
		}
	}
	if _, err := NewHider(ctx, m, Hiding{Subjects: []string{"x"}}); !errors.Is(err, lm.ErrUnsupported) {
		t.Errorf("a model without a vocabulary: %v", err)
	}
}

// The zero Config traces all grids under the noise of a zero Hiding and compares
// with no foil, token 0 being a token like others.
func TestZeroConfig(t *testing.T) {
	m, p := tiny(t)
	ctx := context.Background()
	tr := New(m, Options{})
	defer tr.Close()
	run := func(cfg Config) *Result {
		t.Helper()
		r, err := tr.Run(ctx, p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.Seconds = 0
		return r
	}
	r := run(Config{})
	if r.LogitDifference != nil || r.Window != DefaultWindow || r.Samples != 10 || r.Severed != nil {
		t.Errorf("%+v", r)
	}
	h, err := NewHider(ctx, m, Hiding{})
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := h.Config(Config{Window: DefaultWindow, Hidden: true, MLP: true, Attn: true}, p, "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(run(cfg), r); d != "" {
		t.Error(d)
	}
	severed := run(Config{Sever: true})
	if severed.Severed == nil || severed.Hidden != nil {
		t.Errorf("severed runs alone: %+v", severed)
	}
	if r := run(Config{MLP: true, Foil: FoilToken(0)}); r.LogitDifference == nil || math.IsNaN(r.LogitDifference.Clean) {
		t.Errorf("token 0: %+v", r.LogitDifference)
	}
	if r := run(Config{Approx: &Approx{}}); r.Approx.Steps != 1 {
		t.Errorf("%+v", r.Approx)
	}
	for name, cfg := range map[string]Config{
		"no swap": {Foil: FoilOfSwap()}, "no token": {Foil: FoilToken(int32(m.Info().Vocab))}, "window": {Window: -1},
	} {
		if _, err := tr.Run(ctx, p, cfg); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
