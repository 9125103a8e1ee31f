package edit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/internal/fault"
	"retcon/lm"
)

// several are requests of which the first is refused, the third cannot be
// carried out, and the others go together.
func several() []fact.Request {
	return []fact.Request{
		{Prompt: "The {} is in", Subject: "winter", TargetNew: "Paris"},
		fakemodel.Eiffel,
		{Prompt: "The Louvre is in", Subject: "Orsay", TargetNew: "Rome"},
		{Prompt: "Some {} is from", Subject: "garden", TargetNew: "Paris"},
		{Prompt: "A {} is of", Subject: "Old House", TargetNew: "Rome"},
	}
}

// severalTo are these requests, with outputs in a directory of their own.
func (c testCfg) severalTo(t *testing.T) testCfg {
	dir := t.TempDir()
	c.Requests, c.KeepGoing = several(), true
	c.Output, c.LoRA = filepath.Join(dir, "out.gguf"), filepath.Join(dir, "lora.gguf")
	return c
}

func (c testCfg) journal() string { return c.Output + ".edits" }

// interrupt runs until the n-th request is computed, or a later stage reached.
func (c testCfg) interrupt(t *testing.T, stage string, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := 0
	c.Progress = func(s string, done, _ int64) {
		if s == stage && (done == 1 || s != "optimising") {
			if begun++; begun == n {
				cancel()
			}
		}
	}
	if _, err := edit.Run(ctx, c.config()); !errors.Is(err, context.Canceled) {
		t.Fatalf("%s %d: %v", stage, n, err)
	}
}

// parts are the lines of a journal without its head.
func parts(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))[1:]
}

func sameFile(t *testing.T, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s is not as one run writes it", filepath.Base(got))
	}
}

// A run that is interrupted after some requests, or when all are done, goes on
// where it was: its files are, byte for byte, those of one run, and it says the
// same of each request.
func TestResume(t *testing.T) {
	base := testConfig(t, gguf.F32)
	whole := base.severalTo(t)
	want := mustRun(t, whole)
	if _, err := os.Stat(whole.journal()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run that is complete left its journal: %v", err)
	}
	for _, at := range []struct {
		stage   string
		n, done int
	}{{"optimising", 1, 0}, {"optimising", 2, 1}, {"optimising", 3, 2}, {"optimising", 4, 3}, {"side effects", 1, 4}, {"hashing", 1, 4}, {"writing", 1, 4}} {
		t.Run(fmt.Sprintf("%s %d", at.stage, at.n), func(t *testing.T) {
			cfg := base.severalTo(t)
			cfg.interrupt(t, at.stage, at.n)
			files := 0 // a journal that keeps nothing is gone
			if at.done > 0 {
				files = 1
				if n := len(parts(t, cfg.journal())); n != at.done {
					t.Errorf("%d requests are kept, not %d", n, at.done)
				}
			}
			if left, _ := os.ReadDir(filepath.Dir(cfg.Output)); len(left) != files {
				t.Errorf("left: %v", left)
			}
			cfg.Resume = true
			computed := 0
			cfg.Progress = func(stage string, done, _ int64) {
				if stage == "optimising" && done == 1 {
					computed++
				}
			}
			got := mustRun(t, cfg)
			if computed != 4-at.done {
				t.Errorf("%d requests are computed after %d", computed, at.done)
			}
			sameFile(t, cfg.Output, whole.Output)
			sameFile(t, cfg.LoRA, whole.LoRA)
			sameEdits(t, got, want)
			if left, _ := os.ReadDir(filepath.Dir(cfg.Output)); len(left) != 2 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// sameEdits compares what became of each request.
func sameEdits(t *testing.T, got, want *edit.Result) {
	t.Helper()
	for i, w := range want.Edits {
		g := got.Edits[i]
		a, b := [2]edit.Outcome{g.Before, g.After}, [2]edit.Outcome{w.Before, w.After}
		if w.Error != "" {
			a, b = [2]edit.Outcome{}, [2]edit.Outcome{}
		}
		if g.Error != w.Error || g.Prompt != w.Prompt || a != b || (g.Written == nil) != (w.Written == nil) || g.Written != nil && *g.Written != *w.Written {
			t.Errorf("request %d: %+v\ninstead of %+v", i+1, g, w)
		}
		if w.Error == "" && *g.Update != *w.Update {
			t.Errorf("request %d: %+v instead of %+v", i+1, g.Update, w.Update)
		}
	}
	if *got.SideEffects != *want.SideEffects {
		t.Errorf("%+v instead of %+v", got.SideEffects, want.SideEffects)
	}
	if got.Seconds <= 0 {
		t.Error("no time is counted")
	}
}

// A run says after which requests it ended, and where they are kept; refused
// at the end, too.
func TestKeptError(t *testing.T) {
	cfg := testConfig(t, gguf.F32).severalTo(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Progress = func(stage string, _, _ int64) {
		if stage == "side effects" {
			cancel()
		}
	}
	_, err := edit.Run(ctx, cfg.config())
	var kept *edit.KeptError
	if !errors.As(err, &kept) || !errors.Is(err, context.Canceled) || kept.Path != cfg.journal() || kept.Done != 4 || kept.Of != 5 {
		t.Fatalf("%+v", err)
	}
	for _, part := range []string{"4 of 5 requests", "out.gguf.edits", string(fault.Resume)} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q says no %q", err, part)
		}
	}
	cfg = testConfig(t, gguf.F32).severalTo(t)
	cfg.KeepGoing, cfg.Requests = false, []fact.Request{fakemodel.Eiffel, several()[3], {Prompt: "The {} is in", Subject: "winter", TargetNew: "Paris"}}
	cfg.HParams.Clamp = 5
	res, err := cfg.run(t)
	if !errors.As(err, &kept) || !errors.Is(err, edit.ErrRefused) || kept.Done == 0 || res == nil {
		t.Errorf("a request that is refused: %v", err)
	}
}

// What a journal holds is lost neither by a run that does not go on with it nor
// by one with other settings.
func TestForeignJournal(t *testing.T) {
	cfg := testConfig(t, gguf.F32).severalTo(t)
	cfg.interrupt(t, "optimising", 3)
	before, err := os.ReadFile(cfg.journal())
	if err != nil {
		t.Fatal(err)
	}
	unloaded := cfg
	unloaded.Open = func(context.Context, string, ...string) (lm.Model, error) {
		t.Error("the model is loaded first")
		return nil, errors.New("not now")
	}
	if _, err := unloaded.run(t); !errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), string(fault.Resume)+" goes on") {
		t.Errorf("without Resume: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*testCfg)
		text   string
	}{
		"seed":             {func(c *testCfg) { c.HParams.Seed = 2 }, "hyper-parameters"},
		"steps":            {func(c *testCfg) { c.HParams.Steps = 19 }, "hyper-parameters"},
		"layer":            {func(c *testCfg) { c.HParams.Layers = []int{0} }, "hyper-parameters"},
		"covariance":       {func(c *testCfg) { c.HParams.Covariance = "identity" }, "hyper-parameters"},
		"keys":             {func(c *testCfg) { c.StatsKeys = 401 }, "text"},
		"another text":     {func(c *testCfg) { c.Corpus = reversed(t, c.Corpus) }, "text"},
		"model":            {func(c *testCfg) { c.Model = fakemodel.Write(t, gguf.Q8_0) }, "model"},
		"another request":  {func(c *testCfg) { c.Requests[1].TargetNew = "Paris" }, "same requests"},
		"fewer requests":   {func(c *testCfg) { c.Requests = c.Requests[2:] }, "same requests"},
		"another sequence": {func(c *testCfg) { c.Requests[0], c.Requests[1] = c.Requests[1], c.Requests[0] }, "same requests"},
	} {
		other := cfg
		other.Resume, other.Requests = true, several()
		c.change(&other)
		if _, err := other.run(t); !errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(cfg.journal()); !bytes.Equal(before, after) {
			t.Fatalf("%s: the journal has changed", name)
		}
	}
	cfg.Force = true // begins anew
	res := mustRun(t, cfg)
	if len(updates(res)) != 4 {
		t.Errorf("%d edits of a run that begins anew", len(updates(res)))
	}
}

// reversed is a file with the lines of another from the last to the first.
func reversed(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(b))
	for i, j := 0, len(words)-1; i < j; i, j = i+1, j-1 {
		words[i], words[j] = words[j], words[i]
	}
	out := filepath.Join(t.TempDir(), "reversed.txt")
	if err := os.WriteFile(out, []byte(strings.Join(words, " ")), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// Resume goes on with more requests than there were, starts where there is
// nothing, and drops a part that was cut short; one that cannot be an edit is an
// error that names the file.
func TestResumeMore(t *testing.T) {
	base := testConfig(t, gguf.F32)
	whole := base.severalTo(t)
	whole.Resume = true // there is no journal yet
	mustRun(t, whole)
	cfg := base.severalTo(t)
	cfg.Requests = cfg.Requests[:4]
	cfg.interrupt(t, "writing", 1)
	cfg.Requests, cfg.Resume = several(), true
	mustRun(t, cfg)
	sameFile(t, cfg.Output, whole.Output)

	cfg = base.severalTo(t)
	cfg.interrupt(t, "optimising", 4)
	b, err := os.ReadFile(cfg.journal())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Resume = true
	for name, bad := range map[string]string{
		"no values": strings.Replace(string(b), `"left":"`, `"left":"AAAA`, 1), // a value more, of two bytes
		"no edit":   strings.Replace(string(b), `"edit":{`, `"edits":{`, 1),
		"no object": string(b) + "7\n",
	} {
		if err := os.WriteFile(cfg.journal(), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.run(t); err == nil || !strings.Contains(err.Error(), cfg.journal()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(cfg.journal(), b[:len(b)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, cfg)
	sameFile(t, cfg.Output, whole.Output)
	sameFile(t, cfg.LoRA, whole.LoRA)
}

// The journal of an adapter alone is beside it; a single request, and a run that
// writes nothing, have none.
func TestJournalPath(t *testing.T) {
	cfg := testConfig(t, gguf.F32).severalTo(t)
	cfg.Output = ""
	cfg.interrupt(t, "optimising", 3)
	if n := len(parts(t, cfg.LoRA+".edits")); n != 2 {
		t.Errorf("%d requests are kept beside the adapter", n)
	}
	var part struct {
		Request string
		Edit    struct{ Layer int }
	}
	if err := json.Unmarshal(parts(t, cfg.LoRA+".edits")[1], &part); err != nil || part.Request != fakemodel.Eiffel.Digest() || part.Edit.Layer != 1 {
		t.Errorf("%+v, %v", part, err)
	}
	cfg = testConfig(t, gguf.F32).severalTo(t)
	cfg.Requests = cfg.Requests[1:2]
	cfg.interrupt(t, "side effects", 1)
	if left, _ := os.ReadDir(filepath.Dir(cfg.Output)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
