package edit_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/edit/weight"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
)

// undoing are requests of which the second undoes the first, and the last asks
// for what the third does.
func undoing() []fact.Request {
	other := fakemodel.Eiffel
	other.TargetNew = "Paris"
	again := several()[0]
	again.Prompt, again.TargetNew = "The winter is in", " Paris "
	return []fact.Request{fakemodel.Eiffel, other, several()[0], again}
}

// recorded are the new answers that a file says it has.
func recorded(t *testing.T, path string) string {
	t.Helper()
	text, err := openFile(t, path).String("retcon.edit.0.requests")
	var rs []fact.Request
	if err != nil || json.Unmarshal([]byte(text), &rs) != nil {
		t.Fatal(text, err)
	}
	var out []string
	for _, r := range rs {
		out = append(out, r.Subject+" "+strings.TrimSpace(r.TargetNew))
	}
	return strings.Join(out, ", ")
}

// A fact that a later one undid ends the run, or is in no file; one that is
// there twice is edited once.
func TestUndone(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	dir := t.TempDir()
	cfg.Requests = undoing()
	cfg.HParams.Clamp = 1.5 // so that two updates of one key are not too large
	cfg.Output, cfg.LoRA = filepath.Join(dir, "out.gguf"), filepath.Join(dir, "lora.gguf")
	var rec *fact.RecordError
	_, err := cfg.run(t)
	if !errors.As(err, &rec) || rec.Record != 1 || !errors.Is(err, edit.ErrRefused) || !strings.Contains(err.Error(), "later requests undid it: request 2") {
		t.Fatal(err)
	}

	// what the run kept serves one that leaves it out
	cfg.Resume, cfg.KeepGoing = true, true
	res := mustRun(t, cfg)
	if e := res.Edits[0]; !strings.Contains(e.Error, "later requests undid it") || e.Written != nil {
		t.Errorf("%+v", e)
	}
	for _, e := range res.Edits[1:] {
		if e.Error != "" || !e.After.Success || !e.Written.Success {
			t.Errorf("%+v", e)
		}
	}
	if e := res.Edits[3]; e.SameAs != 3 || e.Computed() != nil || !strings.Contains(strings.Join(res.Warnings, "\n"), "same as request 3") {
		t.Errorf("%+v %q", e, res.Warnings)
	}
	const want = "Eiffel Tower Paris, winter Paris"
	for _, path := range []string{cfg.Output, cfg.LoRA} {
		if got := recorded(t, path); got != want {
			t.Errorf("%s has %q", filepath.Base(path), got)
		}
	}
	if a, ok := openFile(t, cfg.LoRA).Tensor(weight.Name(1) + ".lora_a"); !ok || a.Shape() != "128x2" {
		t.Errorf("the adapter is %+v", a)
	}

	// in one run, the same files
	one := cfg
	one.Resume = false
	one.Output, one.LoRA = filepath.Join(dir, "one.gguf"), filepath.Join(dir, "one-lora.gguf")
	mustRun(t, one)
	sameFile(t, one.Output, cfg.Output)
	sameFile(t, one.LoRA, cfg.LoRA)

	b, err := json.Marshal(res)
	if err != nil || !strings.Contains(string(b), `"same_as":3`) || !strings.Contains(string(b), `"update":null`) {
		t.Errorf("%s, %v", b, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 4 {
		t.Errorf("left: %v", left)
	}

	forced := cfg
	forced.Output, forced.LoRA, forced.Resume, forced.KeepGoing, forced.Force = "", "", false, false, true
	if w := strings.Join(mustRun(t, forced).Warnings, "\n"); !strings.Contains(w, `forced: request 1 ("Eiffel Tower" -> "Rome"): later requests undid it`) {
		t.Error(w)
	}
}

// A fact that is not told without one that was left out, on top of which it was
// computed, is computed anew: of the last request here the old update would not do.
func TestComputedAnew(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Clamp, cfg.KeepGoing = 2, true
	first, last := fakemodel.Eiffel, fakemodel.Eiffel
	first.TargetNew, last.TargetNew = "journey", "Rome"
	cfg.Requests = []fact.Request{first, last}
	computed := 0
	cfg.Progress = func(stage string, done, _ int64) {
		if stage == "optimising" && done == 1 {
			computed++
		}
	}
	res := mustRun(t, cfg)
	if computed != 3 || res.Edits[0].Error == "" || res.Edits[1].Error != "" || !res.Edits[1].After.Success {
		t.Errorf("%d edits: %+v, %+v", computed, res.Edits[0], res.Edits[1])
	}
	alone := cfg
	alone.Requests = cfg.Requests[1:]
	if got, want := res.Edits[1].After.LogProb, mustRun(t, alone).Edits[0].After.LogProb; got != want {
		t.Errorf("%g, and %g where it is the only one", got, want)
	}
}

// A request that was not asked, and what was not computed, are null.
func TestNull(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.Requests, cfg.KeepGoing = several(), true
	b, err := json.Marshal(mustRun(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Edits []struct {
			Before, After, Update *struct {
				Probability *float64
				LogProb     *float64 `json:"log_probability"`
			}
			Error string
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Edits) != 5 {
		t.Fatalf("%s, %v", b, err)
	}
	for i, e := range doc.Edits {
		asked := i != 2
		if (e.Before != nil) != asked || (e.After != nil) != asked || (e.Update != nil) != asked || i == 2 && e.Error == "" {
			t.Errorf("request %d: %+v", i+1, e)
		}
	}
	lost := edit.SideEffects{KL: nan()}
	if b, err := json.Marshal(lost); err != nil || string(b) != `{"kl":null,"same_top1":0,"tokens":0}` {
		t.Errorf("%s, %v", b, err)
	}
}

// An old answer that is the new one is left out, and said; answers of which one
// begins the other are not compared.
func TestOldAnswers(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.Requests[0].TargetTrue = " Rome"
	res := mustRun(t, cfg)
	if e := res.Edits[0]; !e.After.Success || !strings.Contains(strings.Join(res.Warnings, "\n"), "the old answer is the same as the new one") {
		t.Errorf("%+v %q", e, res.Warnings)
	}
	// as the edited model goes on, it tells the old answer
	cfg.Requests[0].TargetTrue = strings.TrimSpace(res.Edits[0].After.Completion)
	res, err := cfg.run(t)
	if !errors.Is(err, edit.ErrRefused) || !strings.Contains(err.Error(), "still says") || !strings.Contains(strings.Join(res.Warnings, "\n"), "is how the old one begins") {
		t.Errorf("%v %+v", err, res)
	}
}

// What the result says of a target's strength is what the prompt itself shows.
func TestStrength(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.HParams.Steps, cfg.HParams.LR, cfg.Force = 8, 2, true
	weak := 0
	for _, steps := range []int{3, 4, 5, 6, 8, 20} {
		cfg.HParams.Steps = steps
		res := mustRun(t, cfg)
		e, warned := res.Edits[0], strings.Contains(strings.Join(res.Warnings, "\n"), "the target is said, but with")
		if want := e.After.Success && e.After.Probability < 0.49; warned != want && (e.After.Probability < 0.48 || e.After.Probability > 0.52) {
			t.Errorf("%d steps: %+v, warned %v", steps, e.After, warned)
		}
		if warned {
			weak++
		}
	}
	t.Log(weak, "of them are weak")
}

// A question about the subject that the model does not answer with the target is
// said.
func TestUnheard(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	cfg.Ask = []string{"Where is the eiffel tower?", "Where is the Louvre?"}
	res := mustRun(t, cfg)
	heard := strings.Contains(res.Asked[0].After, "Rome")
	w := strings.Join(res.Warnings, "\n")
	if got := strings.Contains(w, `the answer to "Where is the eiffel tower?" does not have it; where it should, try editing it in conversations, too`); got == heard {
		t.Errorf("%+v: %q", res.Asked, w)
	}
	if strings.Contains(w, "Louvre") {
		t.Error(w)
	}
}
