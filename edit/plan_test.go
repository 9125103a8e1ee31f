package edit_test

import (
	"testing"

	"retcon/edit"
	"retcon/gguf"
)

func TestPlan(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	p, err := edit.MakePlan(t.Context(), cfg.config())
	if err != nil {
		t.Fatal(err)
	}
	if p.Layer != 1 || p.StatsCached || p.StatsKeys != 400 || p.Seconds <= 0 || p.Tokens < 20 {
		t.Errorf("%+v", p)
	}
	mustRun(t, cfg)
	if p, err = edit.MakePlan(t.Context(), cfg.config()); err != nil || !p.StatsCached {
		t.Errorf("%+v %v", p, err)
	}
}
