package edit_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/edit/rome"
	"retcon/edit/weight"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/internal/fault"
	"retcon/internal/filelock"
	"retcon/internal/outputs"
	"retcon/lm"
)

func TestRun(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	dir := t.TempDir()
	cfg.Output, cfg.LoRA = filepath.Join(dir, "out.gguf"), filepath.Join(dir, "lora.gguf")
	cfg.Progress = func(stage string, done, total int64) {
		if done < 0 || done > total {
			t.Errorf("%s: %d of %d", stage, done, total)
		}
	}
	res := mustRun(t, cfg)
	one := res.Edits[0]
	if one.Before.Success || !one.After.Success || one.After.Probability < 0.1 || one.Written == nil {
		t.Errorf("before %+v, after %+v", one.Before, one.After)
	}
	if len(res.TypesChanged) != 0 || res.Output != cfg.Output || res.LoRA != cfg.LoRA {
		t.Errorf("%+v", res)
	}
	checkJSON(t, res)
	checkModel(t, cfg, res)
	checkLoRA(t, cfg, res)
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Error("left behind:", left)
	}

	cfg.Output, cfg.LoRA = "", ""
	again := mustRun(t, cfg)
	if got := again.Edits[0]; !again.Stats.Cached || got.After.LogProb != one.After.LogProb {
		t.Errorf("the second run differs: cached %v, %g instead of %g", again.Stats.Cached, got.After.LogProb, one.After.LogProb)
	}
}

// checkJSON checks the names that scripts rely on.
func checkJSON(t *testing.T, res *edit.Result) {
	b, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	json.Unmarshal(b, &m)
	for _, k := range strings.Fields("schema layer method covariance output lora before after update side_effects types_changed warnings load_seconds stats_seconds seconds write_seconds peak_rss_bytes") {
		if _, ok := m[k]; !ok {
			t.Errorf("the result has no %s", k)
		}
	}
	for _, k := range strings.Fields("key_norm denominator delta_norm weight_norm steps loss at_clamp") {
		if _, ok := m["update"].(map[string]any)[k]; !ok {
			t.Errorf("update has no %s", k)
		}
	}
}

// checkModel checks that only the edited tensor and retcon's keys differ.
func checkModel(t *testing.T, cfg testCfg, res *edit.Result) {
	t.Helper()
	in, out := openFile(t, cfg.Model), openFile(t, cfg.Output)
	for i, kv := range in.KV {
		if out.KV[i].Key != kv.Key || !out.KV[i].Value.Equal(kv.Value) {
			t.Errorf("key %s changed", kv.Key)
		}
	}
	for _, x := range in.Tensors {
		a, _ := in.ReadTensor(x.Name, nil)
		b, err := out.ReadTensor(x.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if same := bytes.Equal(a, b); same != (x.Name != weight.Name(res.Layer)) {
			t.Errorf("tensor %s: same is %v", x.Name, same)
		}
	}
	sums, _ := gguf.HashTensors(t.Context(), out, nil)
	sum, _ := sums.Tensor(weight.Name(res.Layer))
	if after, err := out.Strings("retcon.edit.0.tensors.after"); err != nil || after[0] != sum.String() {
		t.Error("digest after:", after, err)
	}
	base, _ := gguf.HashTensors(t.Context(), in, nil)
	if s, err := out.String("retcon.edit.0.base.sha256"); err != nil || s != base.Payload.String() {
		t.Error("digest of the base:", s, err)
	}
	var rs []fact.Request
	if s, err := out.String("retcon.edit.0.requests"); err != nil || json.Unmarshal([]byte(s), &rs) != nil || rs[0].TargetNew != "Rome" {
		t.Error("requests:", s, err)
	}
	s, _ := out.String("retcon.edit.0.hyperparameters")
	if h, warn, err := rome.ReadHParams(strings.NewReader(s), rome.HParams{}); err != nil || len(warn) > 0 || h.Steps != 20 || len(h.Prefixes) != 4 {
		t.Errorf("hyper-parameters: %+v %v %v", h, warn, err)
	}
	// W' - W = Right Leftᵀ
	w, _ := in.ReadTensor(weight.Name(res.Layer), nil)
	w2, _ := out.ReadTensor(weight.Name(res.Layer), nil)
	a, b := make([]float32, fakemodel.FF*fakemodel.Width), make([]float32, fakemodel.FF*fakemodel.Width)
	fakemodel.Quantizer{}.Dequantize(a, gguf.F32, w)
	fakemodel.Quantizer{}.Dequantize(b, gguf.F32, w2)
	u := updates(res)[0]
	for i := range a {
		want := u.Right[i/fakemodel.FF] * u.Left[i%fakemodel.FF]
		if d := b[i] - a[i] - want; d > 1e-4 || d < -1e-4 {
			t.Fatalf("weight %d moved by %g instead of %g", i, b[i]-a[i], want)
		}
	}
}

func checkLoRA(t *testing.T, cfg testCfg, res *edit.Result) {
	t.Helper()
	f := openFile(t, cfg.LoRA)
	for key, want := range map[string]string{"general.type": "adapter", "general.architecture": "fake", "adapter.type": "lora"} {
		if s, err := f.String(key); err != nil || s != want {
			t.Errorf("%s is %q: %v", key, s, err)
		}
	}
	a, ok := f.Tensor(weight.Name(res.Layer) + ".lora_a")
	b, ok2 := f.Tensor(weight.Name(res.Layer) + ".lora_b")
	if !ok || !ok2 || a.Shape() != "128x1" || b.Shape() != "1x24" || len(f.Tensors) != 2 {
		t.Errorf("%+v %+v", a, b)
	}
}

// TestEditAgain edits a file that was edited before.
func TestEditAgain(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	dir := t.TempDir()
	cfg.Output = filepath.Join(dir, "one.gguf")
	mustRun(t, cfg)
	cfg.Model, cfg.Output = cfg.Output, filepath.Join(dir, "two.gguf")
	if res, err := cfg.run(t); !errors.Is(err, edit.ErrRefused) || !strings.Contains(err.Error(), "already says") || res == nil {
		t.Fatal(err)
	}
	cfg.Requests = []fact.Request{{Prompt: "The Eiffel Tower is in", Subject: "Eiffel Tower", TargetNew: "Paris"}}
	cfg.HParams.Layers = []int{1}
	cfg.Force = true
	mustRun(t, cfg)
	f := openFile(t, cfg.Output)
	if n, err := f.Uint("retcon.edits"); err != nil || n != 2 {
		t.Error(n, err)
	}
	for _, k := range []string{"retcon.edit.0.requests", "retcon.edit.1.requests"} {
		if !f.Has(k) {
			t.Error("no", k)
		}
	}
}

// TestPromote writes to a type too coarse for the edit's own gain.
func TestPromote(t *testing.T) {
	cfg := testConfig(t, gguf.Q4_0)
	cfg.Output = filepath.Join(t.TempDir(), "out.gguf")
	res := mustRun(t, cfg)
	for _, c := range res.TypesChanged {
		t.Logf("%+v", c)
	}
	f := openFile(t, cfg.Output)
	x, _ := f.Tensor(weight.Name(1))
	if len(res.TypesChanged) == 0 && x.Type != gguf.Q4_0 || len(res.TypesChanged) == 1 && x.Type.String() != res.TypesChanged[0].To {
		t.Errorf("%v %+v", x.Type, res.TypesChanged)
	}
	if !res.Edits[0].Written.Success {
		t.Error("the written model does not say it")
	}
}

// A record that cannot be used is left out like one whose fact fails, and named.
func TestInvalidRecord(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	var err error
	cfg.Requests, err = fact.ParseEach(strings.NewReader(`{"prompt": "The Eiffel is in", "subject": "Eiffel", "target_new": "Rome"}
{"prompt": "Some bread is from", "subject": "bread", "targt_new": "Paris"}
{'prompt': 'x'}`))
	if err != nil {
		t.Fatal(err)
	}
	var rec *fact.RecordError
	if _, err := cfg.run(t); !errors.As(err, &rec) || rec.Record != 2 || !errors.Is(err, fact.ErrRequest) {
		t.Fatal(err)
	}
	cfg.KeepGoing, cfg.Force = true, true
	res := mustRun(t, cfg)
	if len(res.Edits) != 3 || len(updates(res)) != 1 || !strings.Contains(res.Edits[1].Error, "did you mean `target_new`?") || !strings.Contains(res.Edits[2].Error, "Python") {
		t.Errorf("%+v %+v", res.Edits[1], res.Edits[2])
	}
}

// A subject that is a part of a word is named before the edit, and in its plan.
func TestPartOfWord(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.Requests = []fact.Request{{Prompt: "Some bread is from", Subject: "read", TargetNew: "Paris"}}
	cfg.Force = true
	says := func(w string) bool { return strings.Contains(w, `"read" is a part of the word "bread"`) }
	if res := mustRun(t, cfg); !slices.ContainsFunc(res.Warnings, says) {
		t.Error(res.Warnings)
	}
	p, err := edit.MakePlan(t.Context(), cfg.config())
	if err != nil || !slices.ContainsFunc(p.Warnings, says) {
		t.Error(p, err)
	}
}

func TestSeveral(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.Requests = []fact.Request{
		fakemodel.Eiffel,
		{Prompt: "The Louvre is in", Subject: "Eiffel", TargetNew: "Rome"},
		{Prompt: "Some bread is from", Subject: "bread", TargetNew: "Paris"},
	}
	dir := t.TempDir()
	cfg.LoRA = filepath.Join(dir, "lora.gguf")
	var rec *fact.RecordError
	if _, err := cfg.run(t); !errors.As(err, &rec) || rec.Record != 2 || !errors.Is(err, fact.ErrRequest) {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Error("something was written:", files)
	}
	cfg.KeepGoing, cfg.Force = true, true
	res := mustRun(t, cfg)
	if len(res.Edits) != 3 || res.Edits[1].Error == "" || len(updates(res)) != 2 {
		t.Errorf("%+v", res)
	}
	if a, ok := openFile(t, cfg.LoRA).Tensor(weight.Name(1) + ".lora_a"); !ok || a.Shape() != "128x2" {
		t.Errorf("%+v", a)
	}
	for _, i := range []int{0, 2} {
		if e := res.Edits[i]; e.After.LogProb <= e.Before.LogProb {
			t.Errorf("request %d: %+v", i+1, e.After)
		}
	}
}

// TestNothingLost checks what is refused, and that it leaves all files alone.
func TestNothingLost(t *testing.T) {
	base := testConfig(t, gguf.F32)
	dir := t.TempDir()
	there := filepath.Join(dir, "there.gguf")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.gguf")
	if err := os.Symlink(base.Model, link); err != nil {
		t.Skip(err)
	}
	hostile := filepath.Join(dir, "hostile.gguf")
	os.WriteFile(hostile, []byte("GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f"), 0o600)
	before, _ := os.ReadFile(base.Model)
	for name, c := range map[string]struct {
		change func(*testCfg)
		want   error
		text   string
	}{
		"exists":        {func(c *testCfg) { c.Output = there }, edit.ErrOutput, string(fault.Force)},
		"is the input":  {func(c *testCfg) { c.Output, c.Force = c.Model, true }, edit.ErrOutput, "same file"},
		"is the text":   {func(c *testCfg) { c.Output, c.Force = c.Corpus, true }, outputs.ErrInput, "the text of the statistics"},
		"is a stream":   {func(c *testCfg) { c.Output = "-" }, outputs.ErrStream, "file"},
		"by a link":     {func(c *testCfg) { c.LoRA, c.Force = link, true }, edit.ErrOutput, "same file"},
		"both one file": {func(c *testCfg) { c.Output, c.LoRA = dir+"/a.gguf", dir+"/./a.gguf" }, edit.ErrOutput, "one file"},
		"no directory":  {func(c *testCfg) { c.Output = dir + "/none/a.gguf" }, edit.ErrOutput, "no directory"},
		"a directory":   {func(c *testCfg) { c.Output, c.Force = dir, true }, edit.ErrOutput, "regular"},
		"no requests":   {func(c *testCfg) { c.Requests = nil }, fact.ErrRequest, "nothing"},
		"layer":         {func(c *testCfg) { c.HParams.Layers = []int{3} }, fact.ErrRequest, "0 to 2"},
		"layers":        {func(c *testCfg) { c.HParams.Layers = []int{0, 1} }, lm.ErrUnsupported, "one layer"},
		"steps":         {func(c *testCfg) { c.HParams.Steps = 0 }, fact.ErrRequest, "steps"},
		"weak":          {func(c *testCfg) { c.HParams.Steps = 2; c.Output = dir + "/w.gguf" }, edit.ErrRefused, "still says"},
		"no model":      {func(c *testCfg) { c.Model = dir + "/none" }, os.ErrNotExist, ""},
		"hostile":       {func(c *testCfg) { c.Model = hostile }, nil, ""},
		"long prompt": {func(c *testCfg) {
			c.Requests = []fact.Request{{Prompt: strings.Repeat("The ", 700) + "{} is in", Subject: "Eiffel Tower", TargetNew: "Rome"}}
		}, fact.ErrRequest, "context"},
		"imatrix": {func(c *testCfg) { c.HParams.Covariance, c.Imatrix = "diagonal", c.Model }, gguf.ErrRole, "it is a model"},
		"corpus":  {func(c *testCfg) { c.Corpus = there }, edit.ErrStats, string(fault.LongerText)},
		"unused":  {func(c *testCfg) { c.HParams.Covariance, c.Corpus = "identity", dir+"/none.txt" }, os.ErrNotExist, "none.txt"},
	} {
		cfg := base
		c.change(&cfg)
		_, err := cfg.run(t)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, _ := os.ReadFile(base.Model); !bytes.Equal(before, after) {
		t.Error("the model changed")
	}
	if b, _ := os.ReadFile(there); string(b) != "mine" {
		t.Error("the existing file changed")
	}
	if files, _ := os.ReadDir(dir); len(files) != 3 {
		t.Error("left behind:", files)
	}
}

// TestInterrupt cancels a run in each of its stages.
func TestInterrupt(t *testing.T) {
	for _, at := range strings.Split("sampling text,statistics,factoring,optimising,side effects,hashing,writing", ",") {
		cfg := testConfig(t, gguf.F32)
		if at == "sampling text" {
			cfg.Corpus = ""
		}
		dir := t.TempDir()
		cfg.Output, cfg.LoRA = filepath.Join(dir, "out.gguf"), filepath.Join(dir, "lora.gguf")
		ctx, cancel := context.WithCancel(t.Context())
		reached := false
		cfg.Progress = func(stage string, _, _ int64) {
			if stage == at {
				reached = true
				cancel()
			}
		}
		if _, err := edit.Run(ctx, cfg.config()); !errors.Is(err, context.Canceled) || !reached {
			t.Errorf("%s: %v, reached %v", at, err, reached)
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("%s: left behind: %v", at, files)
		}
		cancel()
	}
}

// A second run with one of the outputs ends at once, and loses nothing.
func TestTwoRuns(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Covariance, cfg.Force = "identity", true
	dir := t.TempDir()
	cfg.Output, cfg.LoRA = filepath.Join(dir, "out.gguf"), filepath.Join(dir, "lora.gguf")
	cfg.Requests = append(cfg.Requests, fact.Request{Prompt: "Some bread is from", Subject: "bread", TargetNew: "Paris"})
	tried := 0
	cfg.Progress = func(string, int64, int64) {
		if tried++; tried > 1 {
			return
		}
		for _, change := range []func(c *testCfg){func(c *testCfg) { c.LoRA = "" }, func(c *testCfg) { c.Output = "" }, func(c *testCfg) { c.Output, c.Resume = "", true }} {
			second := cfg
			second.Progress = func(stage string, _, _ int64) { t.Errorf("the second run came to %q", stage) }
			change(&second)
			if _, err := second.run(t); !errors.Is(err, filelock.ErrBusy) || !strings.Contains(err.Error(), cmp.Or(second.Output, second.LoRA)+": ") {
				t.Errorf("a second run: %v", err)
			}
		}
	}
	mustRun(t, cfg)
	if files, _ := os.ReadDir(dir); len(files) != 2 || tried == 0 {
		t.Errorf("%v", files)
	}
}

// A history that this program did not write is carried on, and named.
func TestBrokenHistory(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Covariance, cfg.Force = "identity", true
	cfg.Model = fakemodel.Write(t, gguf.F32, gguf.KeyValue{Key: "retcon.schema", Value: gguf.ValueOf(uint32(1))},
		gguf.KeyValue{Key: "retcon.edits", Value: gguf.ValueOf(uint32(1))}, gguf.KeyValue{Key: "retcon.edit.0.requests", Value: gguf.ValueOf("not json")})
	res := mustRun(t, cfg)
	if !slices.ContainsFunc(res.Warnings, func(w string) bool {
		return strings.Contains(w, "retcon.edit.0.requests is not what this program writes")
	}) {
		t.Errorf("%q", res.Warnings)
	}
}

func TestDamagedCache(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	want := mustRun(t, cfg)
	files, _ := filepath.Glob(filepath.Join(cfg.CacheDir, "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	b, _ := os.ReadFile(files[0])
	b[len(b)/2] ^= 1
	os.WriteFile(files[0], b, 0o600)
	got := mustRun(t, cfg)
	if got.Edits[0].After.LogProb != want.Edits[0].After.LogProb || !strings.Contains(strings.Join(got.Warnings, "\n"), "damaged") {
		t.Errorf("%g instead of %g: %q", got.Edits[0].After.LogProb, want.Edits[0].After.LogProb, got.Warnings)
	}
	os.Truncate(files[0], 50)
	got = mustRun(t, cfg)
	if got.Edits[0].After.LogProb != want.Edits[0].After.LogProb || got.Stats.Cached {
		t.Errorf("%+v %q", got.Stats, got.Warnings)
	}
}

func TestAutoLayer(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Layers, cfg.HParams.Auto, cfg.Force = nil, true, true
	cfg.HParams.Covariance = "identity"
	res := mustRun(t, cfg)
	if res.LayerFrom != "auto" || len(res.LayersTried) != 3 {
		t.Fatalf("%+v", res.LayersTried)
	}
	for _, l := range res.LayersTried {
		if l.Layer == res.Layer {
			for _, other := range res.LayersTried {
				if other.Error == "" && other.Score > l.Score {
					t.Errorf("layer %d scores %g, but %d was taken with %g", other.Layer, other.Score, l.Layer, l.Score)
				}
			}
		}
	}
}

// A locator's layer is the one that is edited, whatever the parameters say; it
// is asked about the requests that can be carried out, on the unedited model.
func TestLocate(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Layers, cfg.HParams.Covariance, cfg.Force, cfg.KeepGoing = []int{1}, "identity", true, true
	cfg.Requests = []fact.Request{fakemodel.Eiffel, {Prompt: "The tower is in", Subject: "Louvre", TargetNew: "Rome"}}
	asked := 0
	found := &edit.Located{Layer: 2, Effect: 0.3, RunnerUp: &edit.RunnerUp{1, 0.2}, Warnings: []string{"a warning"}}
	cfg.Locate = func(_ context.Context, m lm.Model, facts []fact.Fact) (*edit.Located, error) {
		asked++
		if len(facts) != 1 || facts[0].Subject != fakemodel.Eiffel.Subject || len(m.(*fakemodel.Model).Updates) != 0 {
			t.Errorf("asked about %+v", facts)
		}
		return found, nil
	}
	res := mustRun(t, cfg)
	if asked != 1 || res.Layer != 2 || res.LayerFrom != "trace" || res.Located != found || updates(res)[0].Layer != 2 || !strings.Contains(strings.Join(res.Warnings, "; "), "a warning") {
		t.Errorf("asked %d times: %+v", asked, res)
	}
	p, err := edit.MakePlan(t.Context(), cfg.config())
	if err == nil || p != nil { // a plan stops at the first bad request
		t.Errorf("%+v, %v", p, err)
	}
	cfg.Requests = cfg.Requests[:1]
	if p, err = edit.MakePlan(t.Context(), cfg.config()); err != nil || p.LayerFrom != "trace" || asked != 1 {
		t.Errorf("a plan asks %d times: %+v, %v", asked, p, err)
	}
	found.Layer = 3
	if _, err := cfg.run(t); !errors.Is(err, lm.ErrUnsupported) {
		t.Errorf("a layer that is not there: %v", err)
	}
	lost := errors.New("lost")
	cfg.Locate = func(context.Context, lm.Model, []fact.Fact) (*edit.Located, error) { return nil, lost }
	if _, err := cfg.run(t); !errors.Is(err, lost) {
		t.Errorf("an error of the locator: %v", err)
	}
}

// Keys a dimension are counted in the covariance, and each number of them is
// cached by its own name, sampled text and corpus alike.
func TestKeysPerDim(t *testing.T) {
	for _, corpus := range []bool{true, false} {
		cfg := testConfig(t, gguf.F32)
		cfg.StatsKeys, cfg.Force = 0, true
		if !corpus {
			cfg.Corpus = ""
		}
		for _, keys := range []float64{0.5, 3, 5} {
			cfg.KeysPerDim = keys
			for round := range 2 {
				res := mustRun(t, cfg)
				want := int64(keys * fakemodel.FF)
				if got := res.Stats.Keys; corpus && got != want || got < want {
					t.Errorf("%v keys a dimension made %d keys", keys, got)
				}
				if res.Stats.Cached != (round == 1) {
					t.Errorf("%v keys a dimension, run %d: cached %v", keys, round, res.Stats.Cached)
				}
			}
		}
	}
	cfg := testConfig(t, gguf.F32)
	cfg.StatsKeys, cfg.KeysPerDim = 0, 1000
	res := mustRun(t, cfg)
	if !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "that were asked for") }) {
		t.Errorf("a corpus that is too short: %q", res.Warnings)
	}
}
