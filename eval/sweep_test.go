package eval

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/fact"
)

// Close is there for models that are opened again.
func (f *fakeModel) Close() error { return nil }

// sweepEditor is an editor of some layer that counts its edits, and bakes files
// that are never written.
type sweepEditor struct {
	keepingEditor
	layer  int
	counts *counts
}

type counts struct{ computed, batches, baked, closed int }

func (e sweepEditor) Settings() edit.Settings {
	return edit.Settings{
		Method: "rome", Layer: e.layer, Seed: 4, Covariance: "full", Tensor: "F32", Stats: &covariance.Stats{Made: covariance.Made{Keys: 8}},
		HParams: map[string]any{"chat": "turn"},
	}
}

func (e sweepEditor) Compute(ctx context.Context, r fact.Request, step func(int, int)) (*edit.Computed, error) {
	e.counts.computed++
	return e.keepingEditor.Compute(ctx, r, step)
}

func (e sweepEditor) ComputeAll(ctx context.Context, rs []fact.Request, step func(int, int)) (computed []*edit.Computed, errs []error) {
	e.counts.batches++
	for _, r := range rs {
		c, err := e.Compute(ctx, r, step)
		computed, errs = append(computed, c), append(errs, err)
	}
	return computed, errs
}

func (e sweepEditor) Bake(_ context.Context, _ fact.Request, c *edit.Computed, dir string) (*edit.Baked, error) {
	e.counts.baked++
	return &edit.Baked{Path: filepath.Join(dir, c.Change.(*fakeChange).Word), Seconds: 3}, nil
}

func (e sweepEditor) Close() error {
	e.counts.closed++
	return nil
}

// newSweep sweeps over two layers of a fake.
func newSweep(t *testing.T, results *Results) (*Sweep, *counts) {
	b := newBench(t)
	model, n := b.Scorer.Model.(*fakeModel), new(counts)
	s := &Sweep{
		Runner: &Runner{Task: &Task{Records: benchRecords(), Stages: Stages, Text: "the cat sat on the mat", Settings: Settings{Command: "bench", Records: 5, Stages: Stages, TextTokens: 100}}, Results: results},
		Model:  model, Facts: Facts{File: "fake.gguf"}, Machine: Machine{Time: "now"},
		Open: func(_ context.Context, path string) (Model, error) {
			m := *model
			m.shift = map[string]float64{filepath.Base(path): 9}
			return &m, nil
		},
	}
	for layer := 3; layer < 5; layer++ {
		s.Ways = append(s.Ways, func(context.Context) (Editor, error) {
			return sweepEditor{keepingEditor{fakeEditor{m: model}, new(int)}, layer, n}, nil
		})
	}
	return s, n
}

// A sweep is a run for each way to edit and to score. Edits are computed once
// for all ways to score them, and each run is what a bench alone gives.
func TestSweep(t *testing.T) {
	s, n := newSweep(t, MemoryResults())
	s.As = []string{AsAdapter, AsBaked}
	var labels []string
	s.Progress = func(stage string, _, _ int64) {
		if !slices.Contains(labels, stage) {
			labels = append(labels, stage)
		}
	}
	s.Name = "fake"
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"text", "fake rome layer 3 full chat turn", "fake rome layer 3 full chat turn baked",
		"fake rome layer 4 full chat turn", "fake rome layer 4 full chat turn baked",
	}
	if d := cmp.Diff(want, labels); d != "" {
		t.Error(d)
	}
	// what fails is tried again in each way to score
	if *n != (counts{computed: 2 * (5 + 1), baked: 2 * 4, closed: 2}) {
		t.Errorf("%+v", *n)
	}
	all, one := s.Results.Series(), oneRun(t)
	if len(all) != 4 {
		t.Fatalf("%d runs", len(all))
	}
	for i, run := range all {
		set := run.Run.Settings
		if set.As != []string{AsAdapter, AsBaked}[i%2] || set.Layer != 3+i/2 || set.Seed != 4 || set.Model.File != "fake.gguf" || set.Method != "rome" || set.Tensor != "F32" || set.Stats.Keys != 8 || set.TextTokens != 100 || set.Batch != 0 {
			t.Errorf("run %d: %+v", i, set)
		}
		for k, e := range run.Entries {
			switch {
			case e.Base != all[0].Entries[k].Base:
				t.Errorf("run %d, record %d: the base was scored again", i, k)
			case (e.Edited == nil) != (k == 1):
				t.Errorf("run %d, record %d: %q", i, k, e.Error)
			case k != 1:
				if d := cmp.Diff(one.Entries[k].Edited.Values, e.Edited.Values); d != "" {
					t.Errorf("run %d, record %d (-bench +sweep)\n%s", i, k, d)
				}
			}
		}
	}
	if all[1].Entries[0].WriteSeconds != 3 || all[0].Entries[0].WriteSeconds != 0 {
		t.Error("what writing took is in another run")
	}
}

// With a file a sweep goes on where it broke off, between ways too.
func TestSweepResumes(t *testing.T) {
	must := mustResults(t)
	whole, _ := newSweep(t, MemoryResults())
	if err := whole.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	s, n := newSweep(t, must(CreateResults(path, false)))
	broken := errors.New("no memory")
	open := s.Ways[1]
	s.Ways[1] = func(context.Context) (Editor, error) { return nil, broken }
	if err := s.Run(t.Context()); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	s.Results.Close()
	if n.closed != 1 {
		t.Errorf("%+v", *n)
	}
	s.Ways[1], s.Results, *n = open, must(ResumeResults(path)), counts{}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.computed != 1+5 {
		t.Errorf("%d edits were computed", n.computed)
	}
	for i, got := range s.Results.Series() {
		if d := cmp.Diff(timeless(whole.Results.Series()[i]), timeless(got)); d != "" {
			t.Errorf("run %d (-whole +resumed)\n%s", i, d)
		}
	}
}

// Batches and sequences are settings, and run as such.
func TestSweepKinds(t *testing.T) {
	s, n := newSweep(t, MemoryResults())
	s.Batch = 2
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.batches != 6 || s.Results.Series()[0].Run.Settings.Batch != 2 {
		t.Errorf("%+v", *n)
	}
	s, _ = newSweep(t, MemoryResults())
	s.Sequential = true
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Results.Series()[1]; !got.Run.Settings.Sequence || got.Entries[0].Told == nil || len(got.Survival()) == 0 {
		t.Errorf("%+v", got)
	}
}

// A comparison scores a model beside its base, under one run.
func TestComparison(t *testing.T) {
	base := newBench(t).Scorer.Model.(*fakeModel)
	edited := *base
	edited.shift = map[string]float64{" Rome": 9}
	c := &Comparison{
		Runner: newRunner(MemoryResults(), benchRecords()), Model: &edited, Facts: Facts{File: "edited.gguf"}, LoRA: []Source{{File: "a.gguf"}},
		Base: base, BaseFacts: Facts{File: "base.gguf"}, Seed: 4,
	}
	c.Task.Text, c.Task.Settings = "the cat sat on the mat", Settings{Command: "eval", TextTokens: 100}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.Results.Series()[0]
	if set := got.Run.Settings; set.Base.File != "base.gguf" || set.Model.File != "edited.gguf" || set.LoRA[0].File != "a.gguf" || set.Seed != 4 || set.Command != "eval" {
		t.Errorf("%+v", set)
	}
	e := got.Entries[0]
	if e.Edited.Values[ExactMatch] != 100 || e.Base.Values[ExactMatch] != 0 || e.Edited.Values[KL] <= 0 {
		t.Errorf("%+v %+v", e.Base.Values, e.Edited.Values)
	}
	c.Runner, c.Base = &Runner{Task: c.Task, Results: MemoryResults()}, nil
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Results.Series()[0]; got.Run.Settings.Base != nil || got.Entries[0].Base != nil || got.Entries[0].Edited.Values[Perplexity] <= 1 {
		t.Errorf("%+v", got)
	}
}
