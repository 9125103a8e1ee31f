package edit_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/edit/weight"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/internal/vec"
	"retcon/lm"
)

// scaledFile is the fake with a scale of 2 beside the middle weight, which is
// half as large: the same model.
func scaledFile(t *testing.T) string {
	f := fakemodel.New()
	b := gguf.NewBuilder()
	b.Set("general.architecture", gguf.ValueOf("fake"))
	for l := range fakemodel.Layers {
		s := 1.
		if l == 1 {
			s = 2
			b.Add(fakemodel.Floats(weight.ScaleName(l), []float32{2}, 1))
		}
		b.Add(fakemodel.Floats(weight.Name(l), vec.Narrow(f.Out[l], 1/s), fakemodel.FF, fakemodel.Width))
	}
	return fakemodel.Build(t, b)
}

func TestScaleBeside(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	want := mustRun(t, cfg)
	cfg.Model = scaledFile(t)
	dir := t.TempDir()
	cfg.LoRA = filepath.Join(dir, "lora.gguf")
	if _, err := cfg.run(t); !errors.Is(err, lm.ErrUnsupported) || !strings.Contains(err.Error(), "scale") {
		t.Error(err)
	}
	cfg.LoRA, cfg.Output = "", filepath.Join(dir, "out.gguf")
	got := mustRun(t, cfg)
	is, should := got.Edits[0], want.Edits[0]
	if math.Abs(is.Written.LogProb-should.After.LogProb) > 1e-3 || math.Abs(is.Update.WeightNorm-should.Update.WeightNorm) > 1e-3 {
		t.Errorf("%+v instead of %+v", is.Written, should.After)
	}
}

func TestImatrix(t *testing.T) {
	squares := make([]float32, fakemodel.FF)
	for i := range squares {
		squares[i] = float32(20 * (1 + i%3))
	}
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("imatrix"))
	b.Add(fakemodel.Floats(weight.Name(1)+".in_sum2", squares, fakemodel.FF, 1))
	b.Add(fakemodel.Floats(weight.Name(1)+".counts", []float32{10}, 1, 1))
	cfg := testConfig(t, gguf.F32)
	cfg.Imatrix = fakemodel.Build(t, b)
	d, count, err := weight.ReadImatrix(cfg.Imatrix, weight.Name(1), fakemodel.FF)
	if err != nil || count != 10 || d[1] != 4 {
		t.Fatal(d, count, err)
	}
	cfg.HParams.Covariance, cfg.Force = "diagonal", true
	res := mustRun(t, cfg)
	if res.Covariance != "diagonal" || res.Stats.Source != "imatrix" || res.Stats.Keys != 10 {
		t.Errorf("%+v", res.Stats)
	}
	// What it lacks is said before anything is computed, also where the edit
	// would have no use for it, and in a plan.
	for _, c := range []covariance.Kind{covariance.KindDiagonal, covariance.KindIdentity} {
		cfg.HParams.Layers, cfg.HParams.Covariance = []int{0}, c
		cfg.Progress = func(stage string, _, _ int64) { t.Errorf("%s: %q was begun", c, stage) }
		if _, err := cfg.run(t); !errors.Is(err, gguf.ErrNotFound) || !errors.Is(err, edit.ErrStats) {
			t.Error(c, err)
		}
		if _, err := edit.MakePlan(t.Context(), cfg.config()); !errors.Is(err, gguf.ErrNotFound) {
			t.Error(c, err)
		}
	}
	cfg.Imatrix = cfg.Model
	if _, err := cfg.run(t); !errors.Is(err, gguf.ErrRole) {
		t.Error(err)
	}
	b = gguf.NewBuilder()
	b.Add(fakemodel.Floats(weight.Name(1)+".in_sum2", []float32{1, 2}, 2, 1))
	b.Add(fakemodel.Floats(weight.Name(1)+".counts", []float32{0}, 1, 1))
	if _, _, err := weight.ReadImatrix(fakemodel.Build(t, b), weight.Name(1), fakemodel.FF); !errors.Is(err, edit.ErrStats) || !strings.Contains(err.Error(), "another model") {
		t.Error(err)
	}
	if _, _, err := weight.ReadImatrix(fakemodel.Build(t, b), weight.Name(1), 2); !errors.Is(err, edit.ErrStats) {
		t.Error(err)
	}
}

// TestCandidates checks the order of types: its own, then larger ones only.
func TestCandidates(t *testing.T) {
	for typ, want := range map[gguf.Type][]gguf.Type{
		gguf.F32:  {gguf.F32},
		gguf.F16:  {gguf.F16},
		gguf.Q4_0: {gguf.Q4_0, gguf.Q8_0, gguf.F16},
		gguf.Q8_0: {gguf.Q8_0, gguf.F16},
	} {
		w := &weight.Weight{Q: fakemodel.Quantizer{}, Info: gguf.TensorInfo{Type: typ, Dims: []int64{fakemodel.FF, fakemodel.Width}}}
		got := w.Candidates(nil)
		if len(got) != len(want) || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("%v: %v", typ, got)
		}
	}
}

// TestVerify checks that an adapter which does not do what was predicted is not
// kept.
func TestVerify(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	dir := t.TempDir()
	cfg.LoRA = filepath.Join(dir, "lora.gguf")
	cfg.Open = forgetful
	if _, err := cfg.run(t); !errors.Is(err, edit.ErrVerify) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Error("left behind:", left)
	}
}

// forgetful opens a model without its adapters.
func forgetful(ctx context.Context, path string, _ ...string) (lm.Model, error) {
	return fakemodel.Open(ctx, path)
}
