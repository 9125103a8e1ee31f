package trace

import (
	"context"
	"math"
	"testing"
)

// Cells that are refined hold what the exact trace has there, and no estimate
// exceeds the strongest of them.
func TestRefineEqualsExact(t *testing.T) {
	m, p := tiny(t)
	cfg := Config{
		Corruption: Corruption{Noise: GaussianNoise(5, 3, p.End-p.Begin, m.Info().Width, 0.5)},
		Window:     2, Hidden: true, MLP: true, Attn: true,
	}
	tr := New(m, Options{})
	defer tr.Close()
	want, err := tr.Run(context.Background(), p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Approx = &Approx{Steps: 2, Refine: 6}
	got, err := tr.Run(context.Background(), p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got.PClean-want.PClean) > 1e-6 || math.Abs(got.PCorrupted-want.PCorrupted) > 1e-6 {
		t.Errorf("clean %g, corrupted %g, not %g, %g", got.PClean, got.PCorrupted, want.PClean, want.PCorrupted)
	}
	if n := len(got.Approx.Refined); n != 18 {
		t.Errorf("%d cells are refined, not 18", n)
	}
	best := map[string]float64{}
	for _, c := range got.Approx.Refined {
		g, w := gridOf(got, c.Kind)[c.Token][c.Layer], gridOf(want, c.Kind)[c.Token][c.Layer]
		if math.Abs(g-w) > 1e-6 {
			t.Errorf("%v: %g, not %g", c, g, w)
		}
		best[c.Kind] = max(best[c.Kind], g)
	}
	for kind, top := range best {
		for token, row := range gridOf(got, kind) {
			for l, v := range row {
				if v > max(top, got.PCorrupted)+1e-9 && !(kind == "hidden" && l == len(row)-1) {
					t.Errorf("%s at token %d, layer %d: an estimate of %g above %g", kind, token, l, v, top)
				}
			}
		}
	}
}

func gridOf(r *Result, kind string) [][]float64 {
	return map[string][][]float64{"hidden": r.Hidden, "mlp": r.MLP, "attn": r.Attn}[kind]
}

// With little noise a restored value moves the log-odds by its attribution.
// (Of a window, a module also changes what later ones would have given.)
func TestEstimateIsFirstOrder(t *testing.T) {
	m, p := tiny(t)
	tr := New(m, Options{Exact: true})
	defer tr.Close()
	worst := func(level float64) float64 {
		cfg := Config{
			Corruption: Corruption{Noise: GaussianNoise(5, 1, p.End-p.Begin, m.Info().Width, level)},
			Window:     1, Hidden: true, MLP: true, Attn: true,
		}
		want, err := tr.Run(context.Background(), p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Approx = &Approx{Steps: 1}
		got, err := tr.Run(context.Background(), p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		off, size := 0.0, 0.0
		for _, kind := range []string{"hidden", "mlp", "attn"} {
			for token, row := range gridOf(want, kind) {
				for l, v := range row {
					off = max(off, math.Abs(v-gridOf(got, kind)[token][l]))
					size = max(size, math.Abs(v-want.PCorrupted))
				}
			}
		}
		return off / size
	}
	small, large := worst(2e-4), worst(2e-3)
	if small > 0.01 || small > large/4 {
		t.Errorf("with little noise the estimates are off by %g of the largest effect, with ten times as much by %g", small, large)
	}
}
