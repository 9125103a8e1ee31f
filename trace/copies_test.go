package trace

import (
	"context"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/gguf"
	"retcon/graph"
	"retcon/llama"
)

// quantised is a tracer of a small model of quantised weights that makes copies
// whatever the machine, those of estimates in BF16, within a memory that has room
// for those of all weights but not for all their transposes too.
func quantised(t *testing.T, exact graph.Type) (*Tracer, Prompt) {
	return quantisedWith(t, gguf.Q8_0, true, exact)
}

// quantisedWith is the same of weights in another type, and with the bridge's own
// kernel: MXFP4 is none that it takes, so that there are copies beside it.
func quantisedWith(t *testing.T, weights gguf.Type, ggmlOnly bool, exact graph.Type) (*Tracer, Prompt) {
	t.Helper()
	m, p := tinyWith(t, weights, llama.ModelParams{CPUOnly: true, GGMLOnly: ggmlOnly})
	bytes, held := 2*int64(m.Info().Params), int64(0)
	for _, approx := range []*Approx{nil, {Steps: 1, Refine: 4}} {
		j := planned(m, p, Options{Memory: 1 << 40}, func(c *Config) { c.Approx = approx })
		held = max(held, j.plan.held)
	}
	tr := New(m, Options{Memory: held + bytes*6/5})
	tr.exactType, tr.estimateType, tr.copied = exact, graph.BF16, true
	t.Cleanup(func() { tr.Close() })
	return tr, p
}

func (tr *Tracer) must(t *testing.T, p Prompt, cfg Config) *Result {
	t.Helper()
	r, err := tr.Run(context.Background(), p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Seconds = 0
	return r
}

func experiments(tr *Tracer, p Prompt) Config {
	return Config{
		Corruption: Corruption{Noise: GaussianNoise(5, 3, p.End-p.Begin, tr.model.Info().Width, 0.5)},
		Window:     2, Hidden: true, MLP: true, Attn: true, Sever: true,
	}
}

// What was traced before changes nothing, and exact runs beside estimates are
// those of an exact trace.
func TestCopiesKeepNoHistory(t *testing.T) {
	for _, typ := range []graph.Type{graph.BF16, graph.F32} {
		t.Run("exact in "+gguf.Type(typ).String(), func(t *testing.T) {
			checkNoHistory(t, func() (*Tracer, Prompt) { return quantised(t, typ) })
		})
		t.Run("beside the bridge's kernel, exact in "+gguf.Type(typ).String(), func(t *testing.T) {
			checkNoHistory(t, func() (*Tracer, Prompt) { return quantisedWith(t, gguf.MXFP4, false, typ) })
		})
	}
	t.Run("by the bridge's kernel", func(t *testing.T) {
		checkNoHistory(t, func() (*Tracer, Prompt) { return quantisedWith(t, gguf.Q8_0, false, graph.F32) })
	})
}

func checkNoHistory(t *testing.T, open func() (*Tracer, Prompt)) {
	tr, p := open()
	exact := experiments(tr, p)
	estimate := exact
	estimate.Approx = &Approx{Steps: 1, Refine: 4}
	plain := exact
	plain.Approx, plain.Sever = &Approx{Steps: 1}, false
	fresh := func(cfg Config) *Result {
		tr, _ := open()
		return tr.must(t, p, cfg)
	}
	wantExact, wantEstimate, wantPlain := fresh(exact), fresh(estimate), fresh(plain)
	for i, run := range []struct {
		cfg  Config
		want *Result
	}{{exact, wantExact}, {estimate, wantEstimate}, {estimate, wantEstimate}, {plain, wantPlain}, {exact, wantExact}, {plain, wantPlain}, {estimate, wantEstimate}} {
		if d := cmp.Diff(run.want, tr.must(t, p, run.cfg)); d != "" {
			t.Errorf("trace %d differs from the same on its own: %s", i, d)
		}
	}
	if d := cmp.Diff(wantExact.Severed, wantEstimate.Severed); d != "" {
		t.Errorf("severed runs beside an estimate: %s", d)
	}
	if wantExact.PClean != wantEstimate.PClean || wantExact.PCorrupted != wantEstimate.PCorrupted {
		t.Errorf("clean %g, corrupted %g beside an estimate, %g, %g without", wantEstimate.PClean, wantEstimate.PCorrupted, wantExact.PClean, wantExact.PCorrupted)
	}
	for _, c := range wantEstimate.Approx.Refined {
		g, w := gridOf(wantEstimate, c.Kind)[c.Token][c.Layer], gridOf(wantExact, c.Kind)[c.Token][c.Layer]
		if math.Abs(g-w) > 1e-7 {
			t.Errorf("%v: %g, not %g", c, g, w)
		}
	}
}

// Copies in BF16 stay near the file's own weights, whose products round the
// other factor to 8 bits.
func TestCopiesNearFile(t *testing.T) {
	tr, p := quantised(t, graph.BF16)
	file := New(tr.model, Options{Exact: true})
	defer file.Close()
	got, want := tr.must(t, p, experiments(tr, p)), file.must(t, p, experiments(tr, p))
	worst := math.Abs(got.PClean - want.PClean)
	for _, kind := range []string{"hidden", "mlp", "attn"} {
		for token, row := range gridOf(want, kind) {
			for l, v := range row {
				worst = max(worst, math.Abs(v-gridOf(got, kind)[token][l]))
			}
		}
	}
	t.Logf("worst difference %.2g of p(clean) %.2g", worst, want.PClean)
	if worst == 0 {
		t.Error("no copy was used")
	}
	if worst > 0.05*want.PClean {
		t.Errorf("probabilities differ by %g, of p(clean) %g", worst, want.PClean)
	}
}
