package edit_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/edit/rome"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// An Editor's update is Run's, leaves the model unedited, and does not depend on
// the edits before it.
func TestEditor(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	res := mustRun(t, cfg)
	want := updates(res)[0]
	e, m := cfg.editor(t)
	steps := 0
	for range 2 {
		c, err := e.Compute(t.Context(), cfg.Requests[0], func(done, most int) { steps = done })
		if err != nil {
			t.Fatal(err)
		}
		if got := updateOf(c); !slices.Equal(got.Left, want.Left) || !slices.Equal(got.Right, want.Right) {
			t.Error("the update is not Run's")
		}
		if c.Report.WeightNorm <= 0 || c.Seconds <= 0 || steps != len(c.Losses) || len(c.Refusals) > 0 {
			t.Errorf("%+v, %d steps, %g s, %q", c.Report, steps, c.Seconds, c.Refusals)
		}
		if err := e.Apply(c); err != nil {
			t.Fatal(err)
		}
		if len(m.Updates) != 1 {
			t.Errorf("%d updates are applied", len(m.Updates))
		}
	}
	set := e.Settings()
	h, _ := set.HParams.(rome.HParams)
	if set.Method != rome.Name || set.Layer != res.Layer || set.Stats.Kind != res.Stats.Kind || set.Tensor != "F32" || len(h.Prefixes) == 0 || !slices.Equal(h.Layers, []int{res.Layer}) {
		t.Errorf("%+v", set)
	}
	if _, err := e.Compute(t.Context(), fact.Request{Prompt: "x", Subject: "y", TargetNew: "z"}, nil); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("a bad request: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.LogProbs(t.Context(), nil); err != nil {
		t.Errorf("the editor closes a model that is not its own: %v", err)
	}
	cfg.HParams.Auto, cfg.HParams.Layers = true, nil
	if _, err := edit.NewEditor(t.Context(), m, cfg.config()); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("layer auto: %v", err)
	}
	if _, err := edit.NewEditor(t.Context(), m, cfg.Config); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("no method: %v", err)
	}
}

// An edit that is kept is what later ones are computed on top of, whatever is
// applied in between.
func TestKeep(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	e, m := cfg.editor(t)
	second := fact.Request{Prompt: "Some bread is from", Subject: "bread", TargetNew: "Paris"}
	compute := func(r fact.Request) *edit.Computed {
		t.Helper()
		c, err := e.Compute(t.Context(), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, alone := compute(cfg.Requests[0]), compute(second)
	e.Keep(first)
	if err := e.Apply(); err != nil || len(m.Updates) > 0 {
		t.Errorf("%d updates are applied: %v", len(m.Updates), err)
	}
	onTop := compute(second)
	if slices.Equal(updateOf(alone).Right, updateOf(onTop).Right) {
		t.Error("the edit that was kept makes no difference")
	}
	cfg.Force, cfg.Requests = true, append(cfg.Requests, second)
	want := updates(mustRun(t, cfg))
	if len(want) != 2 || !slices.Equal(updateOf(onTop).Right, want[1].Right) || !slices.Equal(updateOf(onTop).Left, want[1].Left) {
		t.Error("the second edit is not Run's")
	}
}

// Edits that are computed at once are those computed one by one; a bad request
// spoils no other, and more rows than an objective holds are taken in parts.
func TestComputeAll(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	e, m := cfg.editor(t)
	requests := []fact.Request{
		fakemodel.Eiffel, {Prompt: "x", Subject: "y", TargetNew: "z"},
		{Prompt: "The Louvre is in", Subject: "Louvre", TargetNew: "Rome"},
		{Prompt: "The Eiffel Tower is in", Subject: "Eiffel Tower", TargetNew: "Paris Rome"},
	}
	for _, most := range []int{0, 7} {
		m.About.Sequences = most
		steps := 0
		all, errs := e.ComputeAll(t.Context(), requests, func(done, of int) { steps = done })
		for i, r := range requests {
			want, err := e.Compute(t.Context(), r, nil)
			if (err == nil) != (errs[i] == nil) || (err == nil) != (i != 1) {
				t.Fatalf("request %d: %v at once, %v alone", i, errs[i], err)
			}
			if err != nil {
				continue
			}
			got, is, should := all[i], updateOf(all[i]), updateOf(want)
			if !slices.Equal(is.Left, should.Left) || !slices.Equal(is.Right, should.Right) || got.Report != want.Report || !slices.Equal(got.Losses, want.Losses) {
				t.Errorf("request %d at once:\n%+v, alone:\n%+v", i, got.Report, want.Report)
			}
		}
		if steps == 0 {
			t.Error("no step was reported")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, errs := e.ComputeAll(ctx, requests, nil); !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[2], context.Canceled) {
		t.Errorf("cancelled: %v", errs)
	}
}

// What an Editor bakes is, byte for byte, what Run writes for the same request,
// in a larger type too, and is gone once closed.
func TestBake(t *testing.T) {
	for _, typ := range []gguf.Type{gguf.F32, gguf.Q4_0} {
		cfg := testConfig(t, typ)
		cfg.Force = true // the coarse type may refuse
		cfg.Output = filepath.Join(t.TempDir(), "out.gguf")
		want := mustRun(t, cfg)
		e, m := cfg.editor(t)
		c, err := e.Compute(t.Context(), cfg.Requests[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for range 2 {
			b, err := e.Bake(t.Context(), cfg.Requests[0], c, dir)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := os.ReadFile(b.Path)
			ref, _ := os.ReadFile(cfg.Output)
			if !bytes.Equal(got, ref) {
				t.Errorf("%v: the file is not Run's", typ)
			}
			if !slices.Equal(b.TypesChanged, want.TypesChanged) && len(b.TypesChanged)+len(want.TypesChanged) > 0 {
				t.Errorf("%v: types %v instead of %v", typ, b.TypesChanged, want.TypesChanged)
			}
			if b.Written.LogProb != want.Edits[0].Written.LogProb || b.Seconds <= 0 {
				t.Errorf("%v: %+v instead of %+v", typ, b.Written, want.Edits[0].Written)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if e.Model() != lm.Model(m) || len(m.Updates) > 0 {
			t.Error("the model was left edited")
		}
	}
}

// An edit that no type holds is in the file nevertheless, and said to be lost.
func TestBakeLost(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.Open = func(ctx context.Context, _ string, _ ...string) (lm.Model, error) {
		return fakemodel.Open(ctx, cfg.Model) // the unedited model, whatever was written
	}
	e, _ := cfg.editor(t)
	c, err := e.Compute(t.Context(), cfg.Requests[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Bake(t.Context(), cfg.Requests[0], c, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if len(b.Refusals) != 1 || !strings.Contains(b.Refusals[0], "did not survive") {
		t.Errorf("%q", b.Refusals)
	}
}

// A file and an adapter name the facts that they were edited with; the unedited
// model names none.
func TestRecordedRequests(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	dir := t.TempDir()
	cfg.Output, cfg.LoRA = filepath.Join(dir, "out.gguf"), filepath.Join(dir, "lora.gguf")
	cfg.Requests[0].Question = "Where is it?"
	cfg.Requests[0].Paraphrases = []string{"", "The Eiffel stands in"} // as files were read once
	mustRun(t, cfg)
	for _, path := range []string{cfg.Output, cfg.LoRA} {
		rs, err := edit.RecordedRequests(path)
		if err != nil || len(rs) != 1 || rs[0].TargetNew != cfg.Requests[0].TargetNew || rs[0].Question != "Where is it?" ||
			!slices.Equal(rs[0].Paraphrases, []string{"The Eiffel stands in"}) {
			t.Errorf("%s: %+v, %v", path, rs, err)
		}
	}
	if _, err := edit.RecordedRequests(cfg.Model); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("an unedited model: %v", err)
	}
}
