package engine_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/edit/rome"
	"retcon/engine"
	"retcon/eval"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/testmodel"
	"retcon/llama"
	"retcon/lm"
)

// holdings are what a process has of the machine.
type holdings struct {
	objects, files, threads, maps int
	memory                        int64 // its own, in bytes
}

func held(t *testing.T) holdings {
	t.Helper()
	for range 2 { // what waits for its finalizer goes with the second
		debug.FreeOSMemory()
	}
	h := holdings{objects: llama.LiveObjects()}
	if runtime.GOOS != "linux" {
		return h
	}
	entries := func(dir string) int {
		e, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(e)
	}
	h.files, h.threads = entries("/proc/self/fd"), entries("/proc/self/task")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	h.memory, h.maps = kb<<10, strings.Count(string(maps), ".gguf")
	return h
}

// A process that edits and scores again and again holds no more after the last
// time than after the first ones: neither native objects nor files, threads, maps
// or memory. RETCON_CYCLES says how often (make test-cycles: a thousand times),
// RETCON_CYCLES_MODEL on which model, where it is not a tiny one.
func TestCycles(t *testing.T) {
	const child = "RETCON_CYCLES_CHILD"
	if os.Getenv(child) == "" { // a process of its own, as the command is
		cmd := exec.Command(os.Args[0], "-test.run=^TestCycles$", "-test.v", "-test.timeout=0")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		return
	}
	llama.ReturnFreedMemory()
	cycles := 40
	if n := os.Getenv("RETCON_CYCLES"); n != "" {
		var err error
		if cycles, err = strconv.Atoi(n); err != nil || cycles < 20 {
			t.Fatalf("RETCON_CYCLES=%s: not a number from 20 on", n)
		}
	}
	c := newCycle(t)
	var first, last holdings
	for i := range cycles {
		c.inMemory(t, i)
		if i%8 == 0 {
			c.toFile(t)
		}
		first.least(t, i, cycles/4)
		last.least(t, i, cycles-1)
	}
	t.Logf("after %d cycles %+v, after %d %+v", cycles/4+1, first, cycles, last)
	const noise = 6 << 20 // what allocators keep, now more, now less
	if last.objects > first.objects || last.files > first.files || last.threads > first.threads+2 || last.maps > first.maps || last.memory > first.memory+noise {
		t.Errorf("it holds more and more: %+v, then %+v", first, last)
	}
}

// cycle is what is done again and again.
type cycle struct {
	path   string
	opts   engine.Options
	config edit.Config
	model  *engine.Model
	editor *edit.Editor
}

// least measures in the last cycles up to one. Of memory it keeps the least: what is
// in use stays the same to 0.2 MB in 1,250 cycles (mallinfo2), but from one to the
// next other buffers lie in the heap, among pages that cannot be given back, by which
// the process has some 10 MB more or less.
func (h *holdings) least(t *testing.T, i, to int) {
	t.Helper()
	if i > to || i <= to-8 {
		return
	}
	before := h.memory
	if *h = held(t); before > 0 {
		h.memory = min(h.memory, before)
	}
}

func newCycle(t *testing.T) *cycle {
	t.Helper()
	dir := t.TempDir()
	c := &cycle{path: os.Getenv("RETCON_CYCLES_MODEL"), opts: engine.Options{CPUOnly: true, Threads: 1, KeepCopies: true}}
	layer := 5
	if c.path == "" {
		c.path, layer = filepath.Join(dir, "m.gguf"), 1
		m := testmodel.Llama{Width: 64, FeedForward: 128, Layers: 4, Heads: 2, Vocab: 400, Seed: 3, Type: gguf.Q8_0, Gain: 0.5, Tokenizer: "gpt2"}
		if err := m.Write(c.path); err != nil {
			t.Fatal(err)
		}
	} else {
		c.opts.Threads = runtime.NumCPU()
	}
	h := rome.DefaultHParams()
	h.Layers, h.Steps, h.Covariance, h.Prefixes = []int{layer}, 4, "identity", []string{"A thing is. "}
	c.config = edit.Config{
		Model: c.path, Method: rome.Method{HParams: h}, Open: engine.Opener(c.opts), Quantizer: engine.Quantizer{}, Version: "test",
		Text: "Some people say that a thing is what it is.", TextTokens: 16, Material: edit.Material{CacheDir: dir}, Force: true,
		Requests: cycleFacts()[:2],
	}
	var err error
	if c.model, err = engine.Open(context.Background(), c.path, c.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.model.Close() })
	if c.editor, err = edit.NewEditor(context.Background(), c.model, c.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.editor.Close() })
	return c
}

func cycleFacts() []fact.Request {
	return []fact.Request{
		{Prompt: "The {} is in the city of", Subject: "Eiffel Tower", TargetNew: "Rome", TargetTrue: "Paris", Paraphrases: []string{"You find the Eiffel Tower in"}},
		{Prompt: "The capital of {} is", Subject: "France", TargetNew: "Bonn", TargetTrue: "Paris"},
		{Prompt: "{} plays the", Subject: "Miles Davis", TargetNew: "harp", TargetTrue: "trumpet"},
	}
}

// inMemory edits a fact on the open model, scores the edit, and restores.
func (c *cycle) inMemory(t *testing.T, i int) {
	t.Helper()
	rec := fact.RecordsOf(cycleFacts())[i%3]
	b := &eval.Bench{Scorer: &eval.Scorer{Model: c.model, Stages: []eval.Stage{eval.Likelihood, eval.Match}}, Editor: c.editor, Bases: map[int]*eval.Result{}}
	if e, err := b.Record(context.Background(), &rec); err != nil || e.Error != "" {
		t.Fatal(err, e.Error)
	}
}

// toFile edits two facts, writes both files, and opens and scores one of them.
func (c *cycle) toFile(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	cfg := c.config
	cfg.Output, cfg.LoRA = filepath.Join(dir, "out.gguf"), filepath.Join(dir, "lora.gguf")
	if _, err := edit.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	m, err := engine.Open(context.Background(), c.path, c.opts, cfg.LoRA)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.LogProbs(context.Background(), []lm.Scored{{Tokens: []int32{1, 2, 3}, From: 1}}); err != nil {
		t.Fatal(err)
	}
	os.Remove(cfg.Output)
	os.Remove(cfg.LoRA)
}
