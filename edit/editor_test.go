package edit

import (
	"context"
	"errors"
	"slices"
	"testing"

	"retcon/gguf"
)

// An Editor's update is Run's, leaves the model unedited, and does not depend on
// the edits before it.
func TestEditor(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	want, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEditor(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	steps := 0
	for range 2 {
		c, err := e.Compute(context.Background(), cfg.Requests[0], func(done, most int) { steps = done })
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Left, want.Updates[0].Left) || !slices.Equal(c.Right, want.Updates[0].Right) {
			t.Error("the update is not Run's")
		}
		if c.Report.WeightNorm <= 0 || c.Seconds <= 0 || steps != len(c.Value.Losses) || len(c.Refusals) > 0 {
			t.Errorf("%+v, %d steps, %g s, %q", c.Report, steps, c.Seconds, c.Refusals)
		}
		if err := e.Model().Apply([]Update{c.Update}); err != nil {
			t.Fatal(err)
		}
	}
	if e.Layer() != want.Layer || e.Stats().Kind != want.Stats.Kind || len(e.HParams().Prefixes) == 0 {
		t.Errorf("layer %d, %+v", e.Layer(), e.Stats())
	}
	if _, err := e.Compute(context.Background(), Request{Prompt: "x", Subject: "y", TargetNew: "z"}, nil); !errors.Is(err, ErrRequest) {
		t.Errorf("a bad request: %v", err)
	}
	cfg.HParams.Auto = true
	if _, err := NewEditor(context.Background(), cfg); !errors.Is(err, ErrRequest) {
		t.Errorf("layer auto: %v", err)
	}
}
