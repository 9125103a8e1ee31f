package average

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/internal/atomicfile"
	"retcon/internal/shard"
)

// testFacts are n facts and the header of a run over them.
func testFacts(n int) ([]Fact, Header) {
	var facts []Fact
	for i := range n {
		facts = append(facts, Fact{i + 1, fmt.Sprint("id", i), "the {} is", fmt.Sprint("subject", i), "", ""})
	}
	s := Settings{
		Model: "m", Facts: Digest(facts), Layers: 3, Kinds: []string{Hidden, MLP}, Sever: true,
		Corruption: "noise", Noise: 0.5, Samples: 2, Window: 2, Seed: 1, Hypothesis: "a text",
	}
	return facts, Header{Model: "m.gguf", Requests: "f.json", Facts: n, Settings: s}
}

// testTracer makes a trace of a fact from its number alone; every fourth fact
// is answered wrong and every seventh fails.
func testTracer(s Settings) Tracer {
	return func(ctx context.Context, f Fact) (Record, error) {
		if err := ctx.Err(); err != nil {
			return Record{}, err
		}
		switch {
		case f.Record%7 == 0:
			return Record{Seconds: 1}, errors.New("no luck")
		case f.Record%4 == 0:
			return Record{Status: Wrong, Said: " else", Seconds: 1}, nil
		}
		rng := rand.New(rand.NewPCG(uint64(f.Record), 1))
		grid := func(rows int) [][]float64 {
			out := make([][]float64, rows)
			for i := range out {
				for range s.Layers {
					out[i] = append(out[i], rng.Float64())
				}
			}
			return out
		}
		r := Record{
			Status: Traced, Said: " yes\xe5", First: " y\xe5", FirstBytes: []byte(" y\xe5"), Seconds: 1, Tokens: []string{"a", "b\xf0\x9f", "\x97", "\xbc", "e", "f"}, TokensBytes: [][]byte{{'a'}, {'b', 0xf0, 0x9f}, {0x97}, {0xbc}, {'e'}, {'f'}}, Range: [2]int{1, 3},
			PClean: rng.Float64(), PCorrupted: rng.Float64(), Grids: Grids{Hidden: grid(6), MLP: grid(6)},
			Hypothesis: json.RawMessage(fmt.Sprintf(`{"part":%d}`, f.Record)),
		}
		sev := grid(3)
		r.Severed = &Severed{Single: sev[0], MLPSevered: sev[1], AttnSevered: sev[2]}
		return r, nil
	}
}

func mustRun(t *testing.T, facts []Fact, out *Results) {
	t.Helper()
	if err := Run(context.Background(), facts, out, timed(testTracer(out.Header.Settings)), nil); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// timed gives failed facts a time that is always the same: only the clock
// differs between two runs.
func timed(trace Tracer) Tracer {
	return func(ctx context.Context, f Fact) (Record, error) {
		r, err := trace(ctx, f)
		r.Seconds = 1
		return r, err
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// whole runs over all facts into a file.
func whole(t *testing.T, n int) (facts []Fact, h Header, path string) {
	t.Helper()
	facts, h = testFacts(n)
	path = filepath.Join(t.TempDir(), "whole.jsonl")
	r, err := Create(path, h, atomicfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, facts, r)
	return facts, h, path
}

// What is read is what was made, in memory too.
func TestRoundTrip(t *testing.T) {
	facts, h, path := whole(t, 15)
	m := Memory(h)
	mustRun(t, facts, m)
	r, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m.Records, r.Records); d != "" {
		t.Errorf("(-memory +file)\n%s", d)
	}
	if d := cmp.Diff(m.Header, r.Header); d != "" {
		t.Errorf("(-memory +file)\n%s", d)
	}
	if len(r.Records) != 15 || len(r.Torn) != 0 {
		t.Errorf("%d records, torn %v", len(r.Records), r.Torn)
	}
	if f := r.Records[6]; f.Status != Failed || f.Error != "no luck" || f.Record != 7 {
		t.Errorf("a failed fact: %+v", f)
	}
}

// The shards' files, merged in any order, are the file of one run.
func TestMergeEqualsWhole(t *testing.T) {
	facts, h, path := whole(t, 17)
	dir := t.TempDir()
	var paths []string
	for _, i := range []int{3, 1, 2} {
		h.Shard = shard.Shard{I: i, N: 3}
		p := filepath.Join(dir, fmt.Sprint(i))
		r, err := Create(p, h, atomicfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		mustRun(t, ShardOf(h.Shard, facts), r)
		paths = append(paths, p)
	}
	m, err := Merge(paths)
	if err != nil {
		t.Fatal(err)
	}
	merged := filepath.Join(dir, "merged")
	if err := m.Save(merged, atomicfile.Options{}); err != nil {
		t.Fatal(err)
	}
	if contents(t, merged) != contents(t, path) {
		t.Error("the merged file is not that of one run")
	}

	if _, err := Merge(append(paths, paths[0])); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "record 3 is in both") {
		t.Errorf("a file twice: %v", err)
	}
	h.Shard = shard.Shard{}
	h.Settings.Samples = 4
	other := filepath.Join(dir, "other")
	if err := Memory(h).Save(other, atomicfile.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Merge([]string{paths[0], other}); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "samples (2 and 4)") {
		t.Errorf("other settings: %v", err)
	}
}

// A run that is cut off after any number of bytes after the header goes on to
// the file of one run.
func TestResumeAnywhere(t *testing.T) {
	facts, h, path := whole(t, 5)
	want := contents(t, path)
	header := strings.Index(want, "\n") + 1
	cut := filepath.Join(t.TempDir(), "cut")
	for n := header; n <= len(want); n += 97 {
		if err := os.WriteFile(cut, []byte(want[:n]), 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := Resume(cut, h)
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if torn := want[n-1] != '\n'; torn != (len(r.Torn) > 0) {
			t.Errorf("after %d bytes: torn %v", n, r.Torn)
		}
		mustRun(t, facts, r)
		if contents(t, cut) != want {
			t.Fatalf("after %d bytes the file is another", n)
		}
	}
}

func TestInterruption(t *testing.T) {
	facts, h := testFacts(9)
	path := filepath.Join(t.TempDir(), "r")
	r, err := Create(path, h, atomicfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	within := timed(testTracer(h.Settings))
	err = Run(ctx, facts, r, func(ctx context.Context, f Fact) (Record, error) {
		if f.Record == 5 {
			cancel() // inside a fact, whose trace then ends with an error
		}
		return within(ctx, f)
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("inside a fact: %v", err)
	}
	r.Close()
	ctx, cancel = context.WithCancel(context.Background())
	if r, err = Resume(path, h); err != nil {
		t.Fatal(err)
	}
	if len(r.Records) != 4 {
		t.Errorf("%d records after 4 facts", len(r.Records))
	}
	calls := 0
	err = Run(ctx, facts, r, func(ctx context.Context, f Fact) (Record, error) {
		calls++
		rec, err := within(ctx, f)
		cancel() // the fact was finished: it counts
		return rec, err
	}, nil)
	if !errors.Is(err, context.Canceled) || calls != 1 || !r.Has(5) {
		t.Errorf("between facts: %v after %d", err, calls)
	}
	r.Close()
	if r, err = Resume(path, h); err != nil {
		t.Fatal(err)
	}
	mustRun(t, facts, r)
	_, _, one := whole(t, 9)
	if contents(t, path) != contents(t, one) {
		t.Error("the file is not that of one run")
	}
}

// What failed is tried again, and the newer record counts, in the older's place.
func TestFailedAgain(t *testing.T) {
	facts, h, path := whole(t, 9)
	r, err := Resume(path, h)
	if err != nil {
		t.Fatal(err)
	}
	var tried []int
	err = Run(context.Background(), facts, r, func(ctx context.Context, f Fact) (Record, error) {
		tried = append(tried, f.Record)
		return Record{Status: Wrong, Said: "better", Seconds: 1}, nil
	}, nil)
	if err != nil || r.Close() != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int{7}, tried); d != "" {
		t.Errorf("facts that were tried again: %s", d)
	}
	again, err := Read(path)
	if err != nil || len(again.Records) != 9 || again.Records[6].Said != "better" || again.Records[8].Record != 9 {
		t.Errorf("%v, %+v", err, again)
	}
	if d := cmp.Diff(r.Records, again.Records); d != "" {
		t.Errorf("(-memory +file)\n%s", d)
	}
}

func TestStop(t *testing.T) {
	facts, h := testFacts(3)
	m := Memory(h)
	err := Run(context.Background(), facts, m, func(context.Context, Fact) (Record, error) {
		return Record{}, fmt.Errorf("%w: no such operator", ErrStop)
	}, nil)
	if !errors.Is(err, ErrStop) || len(m.Records) != 0 {
		t.Errorf("%v, %d records", err, len(m.Records))
	}
}

// A trace that is no trace is a failed fact, never a damaged file.
func TestBadTrace(t *testing.T) {
	facts, h := testFacts(3)
	for what, spoil := range map[string]func(r *Record){
		"NaN":       func(r *Record) { r.MLP[2][1] = math.NaN() },
		"row":       func(r *Record) { r.Hidden[2] = r.Hidden[2][1:] },
		"grid":      func(r *Record) { r.MLP = nil },
		"severed":   func(r *Record) { r.Severed = nil },
		"range":     func(r *Record) { r.Range = [2]int{4, 7} },
		"status":    func(r *Record) { r.Status = "" },
		"clean":     func(r *Record) { r.PClean = math.Inf(1) },
		"logit":     func(r *Record) { r.Logit = &Measure{} },
		"further":   func(r *Record) { r.Hypothesis = nil },
		"corrupted": func(r *Record) { r.PCorrupted = math.NaN() },
	} {
		m := Memory(h)
		trace := testTracer(h.Settings)
		err := Run(context.Background(), facts[:1], m, func(ctx context.Context, f Fact) (Record, error) {
			r, err := trace(ctx, f)
			spoil(&r)
			return r, err
		}, nil)
		if err != nil || len(m.Records) != 1 || m.Records[0].Status != Failed {
			t.Errorf("%s: %v, %+v", what, err, m.Records)
		}
	}
}

func TestResumeRefusals(t *testing.T) {
	_, h, path := whole(t, 3)
	for want, change := range map[string]func(h *Header){
		"samples (2 and 3)":                     func(h *Header) { h.Settings.Samples = 3 },
		"window (2 and 4)":                      func(h *Header) { h.Settings.Window = 4 },
		"hypothesis (a text and )":              func(h *Header) { h.Settings.Hypothesis = "" },
		"refined cells (0 and 24)":              func(h *Header) { h.Settings.Refine = 24 },
		"points of the approximation (0 and 2)": func(h *Header) { h.Settings.ApproxSteps = 2 },
		"seed (1 and 2)":                        func(h *Header) { h.Settings.Seed = 2 },
		"noise (0.5 and 0.6)":                   func(h *Header) { h.Settings.Noise = 0.6 },
		"the model":                             func(h *Header) { h.Settings.Model = "n" },
		"the facts":                             func(h *Header) { h.Settings.Facts = "n" },
		"kinds ([hidden mlp] and":               func(h *Header) { h.Settings.Kinds = []string{Attn} },
		"severed runs":                          func(h *Header) { h.Settings.Sever = false },
		"corruption":                            func(h *Header) { h.Settings.Corruption = "replace" },
		"approximation":                         func(h *Header) { h.Settings.Approx = true },
		"shard 1/1, this run is":                func(h *Header) { h.Shard = shard.Shard{I: 1, N: 2} },
	} {
		other := h
		change(&other)
		_, err := Resume(path, other)
		if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	h.Settings.NoiseFrom, h.Model, h.Settings.Noise = "elsewhere", "moved.gguf", 0.5*(1+1e-12)
	r, err := Resume(path, h)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}

func TestDamaged(t *testing.T) {
	_, _, path := whole(t, 3)
	good := contents(t, path)
	lines := strings.SplitAfter(good, "\n")
	for what, text := range map[string]string{
		"empty":        "",
		"other":        "{}\n",
		"facts":        `{"prompt": "a b", "subject": "b"}` + "\n",
		"no end":       lines[0][:len(lines[0])-1],
		"newer":        strings.Replace(good, `"schema":1`, `"schema":2`, 1),
		"kind":         strings.Replace(good, `["hidden"`, `["x"`, 1),
		"layers":       strings.Replace(good, `"layers":3`, `"layers":4`, 1),
		"not a record": lines[0] + "x\n" + lines[1],
		"twice":        lines[0] + lines[1] + lines[1],
		"another's":    strings.Replace(good, `"facts":3`, `"facts":2`, 1),
		"shard":        strings.Replace(good, `"shard":"1/1"`, `"shard":"1/2"`, 1),
		"bad shard":    strings.Replace(good, `"shard":"1/1"`, `"shard":"3/2"`, 1),
		"status":       strings.Replace(good, `"traced"`, `"done"`, 1),
	} {
		p := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(p); !errors.Is(err, ErrResults) || !strings.HasPrefix(err.Error(), p) {
			t.Errorf("%s: %v", what, err)
		}
		if contents(t, p) != text {
			t.Errorf("%s: the file was changed", what)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if bytes.Count([]byte(good), []byte("\n")) != 4 {
		t.Errorf("a record is not a line:\n%s", good)
	}
}

func TestCreateExisting(t *testing.T) {
	_, h, path := whole(t, 2)
	if _, err := Create(path, h, atomicfile.Options{}); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("%v", err)
	}
	r, err := Create(path, h, atomicfile.Options{Force: true})
	if err != nil || len(r.Records) != 0 {
		t.Fatalf("%v", err)
	}
	r.Close()
}
