package edit_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// An adapter says which file it was made for, and is compared with the one that
// it is put on.
func TestCheckAdapters(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Covariance = "identity"
	cfg.Output, cfg.LoRA, cfg.Force = at("edited.gguf"), at("lora.gguf"), true
	mustRun(t, cfg)
	again := cfg
	again.Requests = slices.Clone(cfg.Requests)
	again.Model, again.Output, again.LoRA = cfg.Output, at("twice.gguf"), at("second.gguf")
	again.Requests[0] = fact.Request{Prompt: "Some bread is from", Subject: "bread", TargetNew: "Paris"}
	mustRun(t, again)
	other := at("f16.gguf")
	if err := fakemodel.WriteFile(other, gguf.F16); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(cfg.LoRA)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(at("copy.gguf"), whole, 0o666)
	for name, c := range map[string]struct {
		model    string
		adapters []string
		want     []string // a part of each warning
	}{
		"its own":              {cfg.Model, []string{cfg.LoRA}, nil},
		"its own edited one":   {cfg.Output, []string{again.LoRA}, nil},
		"another quantisation": {other, []string{cfg.LoRA}, []string{"lora.gguf was made for another file than f16.gguf (retcon.edit.0.base.sha256"}},
		"the edited file":      {cfg.Output, []string{cfg.LoRA}, []string{"edited.gguf was edited with what lora.gguf holds"}},
		"the unedited file":    {cfg.Model, []string{again.LoRA}, []string{"had been edited once, and this one not at all"}},
		"an older one":         {again.Output, []string{again.LoRA}, []string{"twice.gguf was edited with what second.gguf holds"}},
		"twice":                {cfg.Model, []string{cfg.LoRA, cfg.LoRA}, []string{"lora.gguf is given twice"}},
		"a copy":               {cfg.Model, []string{cfg.LoRA, at("copy.gguf")}, []string{"lora.gguf and copy.gguf are the same adapter"}},
	} {
		got, err := edit.CheckAdapters(t.Context(), c.model, c.adapters, nil)
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("%s: %q without %q", name, got[i], c.want[i])
			}
		}
	}
	b := gguf.NewBuilder()
	b.Set("general.type", gguf.ValueOf("adapter"))
	b.Set("general.architecture", gguf.ValueOf("qwen2"))
	if _, err := edit.CheckAdapters(t.Context(), cfg.Model, []string{fakemodel.Build(t, b)}, nil); !errors.Is(err, lm.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := edit.CheckAdapters(t.Context(), cfg.Model, []string{cfg.Model}, nil); !errors.Is(err, gguf.ErrRole) {
		t.Error(err)
	}
	rs, err := edit.RecordedRequests(again.LoRA)
	if err != nil || len(rs) != 1 || rs[0].TargetNew != "Paris" {
		t.Errorf("the facts of an adapter for an edited file: %v, %v", rs, err)
	}
}
