package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/edit/rome"
	"retcon/internal/input"
)

// parse makes the configuration of a command line of edit, environment
// included, without running it.
func parse(t *testing.T, args ...string) (cfg edit.Config, f *editFlags, notes []string, err error) {
	t.Helper()
	a := testApp()
	f = &editFlags{}
	cmd := a.editCommand(a.commonFlags(), f)
	cmd.SetGlobalNormalizationFunc(canonical)
	if err = cmd.Flags().Parse(longNames(args, func(string) bool { return false })); err != nil {
		return cfg, f, nil, err
	}
	records, err := applyEnvironment(cmd)
	for _, r := range records {
		notes = append(notes, r.Level.String()+" "+r.Message)
	}
	if err == nil {
		cfg, _, err = f.config(cmd.Flags(), &input.Inputs{Stdin: strings.NewReader(`{"prompt":"{} is in","subject":"x","target_new":"y"}`)})
	}
	return cfg, f, notes, err
}

// hparams are the hyper-parameters of a configuration for ROME.
func hparams(cfg edit.Config) rome.HParams { return cfg.Method.(rome.Method).HParams }

var aFact = []string{"-p", "x is in", "--subject", "x", "--target", "y"}

func TestEnvironment(t *testing.T) {
	t.Setenv("LLAMA_ARG_MODEL", "from-env.gguf")
	t.Setenv("LLAMA_ARG_THREADS", "3")
	t.Setenv("LLAMA_ARG_N_GPU_LAYERS", "all")
	t.Setenv("RETCON_SEED", "7")
	t.Setenv("RETCON_MEMORY", "1G")
	cfg, f, notes, err := parse(t, append(aFact, "-t", "2")...)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Model != "from-env.gguf" || f.engine.threads != 2 || f.engine.gpu.n != -1 || hparams(cfg).Seed != 7 || f.engine.memory != 1<<30 {
		t.Errorf("model %q, %d threads, %d GPU layers, seed %d, memory %d", cfg.Model, f.engine.threads, f.engine.gpu.n, hparams(cfg).Seed, f.engine.memory)
	}
	warned := 0
	for _, n := range notes {
		if strings.HasPrefix(n, "WARN") {
			warned++
			if !strings.Contains(n, "LLAMA_ARG_THREADS") || !strings.Contains(n, "--threads") {
				t.Errorf("warning %q", n)
			}
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings in %q", warned, notes)
	}
	t.Setenv("RETCON_SEED", "x")
	if _, _, _, err := parse(t, aFact...); err == nil || !strings.Contains(err.Error(), "RETCON_SEED=x") || !isUsage(err) {
		t.Errorf("a bad variable: %v", err)
	}
}

func TestHyperparameterOrder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "h.json")
	if err := os.WriteFile(file, []byte(`{"v_lr": 0.1, "v_num_grad_steps": 11, "layers": [3], "covariance": "diagonal"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	prefixes := filepath.Join(dir, "prefixes.txt")
	if err := os.WriteFile(prefixes, []byte("In short. {}\nOnce\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg, _, _, err := parse(t, append(aFact, "-m", "m", "--hparams", file, "--steps", "5", "--prefixes", prefixes)...)
	if err != nil {
		t.Fatal(err)
	}
	want := rome.DefaultHParams()
	want.LR, want.Steps, want.Layers, want.Covariance = 0.1, 5, []int{3}, "diagonal"
	want.Prefixes = []string{"In short. ", "Once. "}
	want.Optimizer, want.StopNLL = rome.Adam, 0 // a file with a learning rate is the original's
	if d := cmp.Diff(want, hparams(cfg)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if cfg, _, _, err = parse(t, append(aFact, "-m", "m", "--lr", "0.1")...); err != nil || hparams(cfg).Optimizer != rome.Adam {
		t.Errorf("--lr: %+v, %v", cfg.Method, err)
	}
	if _, _, _, err = parse(t, append(aFact, "-m", "m", "--lr", "0.1", "--optimizer", "polyak")...); !isUsage(err) {
		t.Errorf("--lr with polyak: %v", err)
	}
	cfg, _, _, err = parse(t, append(aFact, "-m", "m", "--hparams", file, "--layer", "auto")...)
	if err != nil || !hparams(cfg).Auto || hparams(cfg).Layers != nil {
		t.Errorf("--layer auto over the file: %+v, %v", cfg.Method, err)
	}
}

func TestRequestsFrom(t *testing.T) {
	cfg, _, _, err := parse(t, "-m", "m", "--requests", "-")
	if err != nil || len(cfg.Requests) != 1 || cfg.Requests[0].Subject != "x" {
		t.Errorf("from stdin: %+v, %v", cfg.Requests, err)
	}
	for _, args := range [][]string{
		{"-m", "m"},
		{"-m", "m", "-p", "x"},
		{"-m", "m", "--requests", "-", "-p", "x"},
		aFact,
		append([]string{"-m", "m", "--stats-time", "0s"}, aFact...),
	} {
		if _, _, _, err := parse(t, args...); !isUsage(err) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestValues(t *testing.T) {
	for in, want := range map[string]size{"1": 1, "512M": 512 << 20, "2G": 2 << 30, "1.5g": 3 << 29, "64KiB": 64 << 10, "3MB": 3 << 20, "1T": 1 << 40} {
		var s size
		if err := s.Set(in); err != nil || s != want {
			t.Errorf("size %q: %d, %v", in, s, err)
		}
	}
	for _, in := range []string{"", "M", "0", "-1", "1Q", "1e30", "NaN", "inf", "9999999T"} {
		var s size
		if err := s.Set(in); err == nil {
			t.Errorf("size %q: %d", in, s)
		}
	}
	if s := size(512 << 20); s.String() != "512M" {
		t.Errorf("512 MB is %q", s.String())
	}
	for _, in := range []string{"", "-1", "x", "1,2", "1.5", "99999999999"} {
		if err := new(layers).Set(in); err == nil {
			t.Errorf("layer %q is taken", in)
		}
	}
	for in, want := range map[string]int{"auto": -1, "all": -1, "-1": -1, "-7": -1, "0": 0, "12": 12} {
		var g gpuLayers
		if err := g.Set(in); err != nil || g.n != want {
			t.Errorf("-ngl %q: %d, %v", in, g.n, err)
		}
	}
	_, f, _, err := parse(t, append(aFact, "-m", "m", "--stats_time", "90s", "-ngl", "0")...)
	if err != nil || f.statsTime != 90*time.Second || f.engine.gpu.n != 0 {
		t.Errorf("%v %d %v", f.statsTime, f.engine.gpu.n, err)
	}
}
