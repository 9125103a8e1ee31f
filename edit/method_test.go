package edit_test

import (
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
	"retcon/internal/vec"
	"retcon/lm"
)

// fixed is a method that package edit has never heard of: it adds an update that
// stands fast for each subject.
type fixed struct {
	updates map[string]lm.Update
	prefix  string // after which it says that its facts are told
	edits   *int   // that were computed
}

// fixedChange is what it changes.
type fixedChange struct{ Update lm.Update }

func (fixed) Name() string { return "fixed" }

func (m fixed) Open(_ context.Context, b *edit.Base) (edit.Work, error) {
	return &fixedWork{fixed: m, base: b}, nil
}

// Remove takes the last edit of the file out.
func (m fixed) Remove(b *edit.Base, which string) (*edit.Removal, error) {
	n, err := edit.History(b.File)
	if err != nil || n == 0 || which != "last" {
		return nil, errors.Join(fact.ErrRequest, err)
	}
	rs, err := edit.EditRequests(b.File, n-1)
	if err != nil {
		return nil, err
	}
	r := &edit.Removal{Layer: 1, Lines: []edit.Line{{Label: "gone", Text: rs[0].Subject}}}
	var us []lm.Update
	gone := make([]int32, len(rs))
	for i, q := range rs {
		u := m.updates[q.Subject]
		us = append(us, lm.Update{Layer: u.Layer, Left: u.Left, Right: vec.Narrow(vec.Widen(u.Right), -1)})
		r.Edits, gone[i] = append(r.Edits, &edit.Edit{Record: i, Subject: q.Subject}), -1
	}
	b.Info = fakemodel.New().Info()
	if r.Write, err = (&fixedWork{base: b}).bake(context.Background(), us); err != nil {
		return nil, err
	}
	r.Write.Set = append(r.Write.Set, gguf.KeyValue{Key: edit.Prefix(n-1) + edit.KeyParts, Value: gguf.ArrayOf(gone)})
	return r, nil
}

type fixedWork struct {
	fixed
	base  *edit.Base
	kept  int
	ready []fact.Fact
}

func (w *fixedWork) Plan(_ context.Context, facts []fact.Fact, p *edit.Plan) error {
	p.Layer, p.Seconds, p.Details = 1, float64(len(facts)), map[string]int{"fixed_updates": len(w.updates)}
	p.Lines = []edit.Line{{Label: "method", Text: "fixed"}}
	return nil
}

func (w *fixedWork) Ready(_ context.Context, facts []fact.Fact) error {
	w.ready = facts
	return nil
}

func (w *fixedWork) Compute(ctx context.Context, f fact.Fact, step func(done, most int)) (*edit.Computed, error) {
	u, ok := w.updates[f.Subject]
	if !ok {
		return nil, errors.Join(edit.ErrRefused, errors.New("there is no update"))
	}
	if step != nil {
		step(1, 1)
	}
	*w.edits++
	return &edit.Computed{Change: &fixedChange{u}, Report: edit.UpdateReport{Steps: 1}, Parts: []string{f.Subject}, Prefix: w.prefix, Seconds: 1}, ctx.Err()
}

func (w *fixedWork) Keep(*edit.Computed) { w.kept++ }

func (w *fixedWork) Forget() { w.kept = 0 }

func (w *fixedWork) Apply(edits ...*edit.Computed) error {
	return w.base.Model.Apply(fixedUpdates(edits))
}

func fixedUpdates(edits []*edit.Computed) (us []lm.Update) {
	for _, c := range edits {
		us = append(us, c.Change.(*fixedChange).Update)
	}
	return us
}

func (w *fixedWork) Restore(c *edit.Computed) error {
	change := &fixedChange{}
	c.Change = change
	return c.Decode(change)
}

func (w *fixedWork) bake(ctx context.Context, us []lm.Update) (e gguf.Edits, err error) {
	t, err := weight.Of(w.base.File, w.base.Quantizer, 1, w.base.Info)
	if err != nil {
		return e, err
	}
	data, err := t.Bake(ctx, t.Info.Type, us, nil)
	return gguf.Edits{Replace: []gguf.Tensor{{Name: t.Info.Name, Type: t.Info.Type, Data: gguf.Bytes(data)}}}, err
}

func (w *fixedWork) Drafts(_ context.Context, edits []*edit.Computed) ([]edit.Draft, error) {
	return []edit.Draft{{Name: "its type", Make: func(ctx context.Context) (gguf.Edits, []gguf.KeyValue, error) {
		var at []int32
		for i := range edits {
			at = append(at, int32(i))
		}
		e, err := w.bake(ctx, fixedUpdates(edits))
		return e, []gguf.KeyValue{{Key: edit.KeyParts, Value: gguf.ArrayOf(at)}, {Key: edit.KeyOwners, Value: gguf.ArrayOf(at)}}, err
	}}}, nil
}

func (w *fixedWork) Settings() edit.Settings {
	return edit.Settings{Method: "fixed", Layer: 1, Seed: 5, HParams: map[string]string{"after": w.prefix}}
}

func (w *fixedWork) Report(r *edit.Result) {
	r.Layer, r.LayerFrom, r.Details = 1, "fixed", map[string]int{"kept": w.kept, "ready": len(w.ready)}
	r.Lines = append(r.Lines, edit.Line{Label: "method", Text: "fixed"})
}

func (w *fixedWork) Close() error { return nil }

// fixedConfig is a run of two facts by that method, with the updates that ROME
// finds for them.
func fixedConfig(t *testing.T) (testCfg, *int) {
	cfg := testConfig(t, gguf.F32)
	cfg.Requests = []fact.Request{fakemodel.Eiffel, several()[4]}
	m := fixed{updates: map[string]lm.Update{}, edits: new(int)}
	for i, u := range updates(mustRun(t, cfg)) {
		m.updates[cfg.Requests[i].Subject] = u
	}
	if len(m.updates) != 2 {
		t.Fatal("ROME finds no updates")
	}
	cfg.Method = m
	cfg.Output = filepath.Join(t.TempDir(), "out.gguf")
	return cfg, m.edits
}

// Run, plan, provenance, and what takes edits out again are the same for a
// method that is not one of this program's.
func TestAnyMethod(t *testing.T) {
	cfg, edits := fixedConfig(t)
	p, err := edit.MakePlan(t.Context(), cfg.config())
	if err != nil || p.Method != "fixed" || p.Layer != 1 || p.Requests != 2 || p.Seconds != 2 || len(p.Lines) != 1 || p.OutputBytes == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if b, err := json.Marshal(p); err != nil || !strings.Contains(string(b), `"fixed_updates":2`) {
		t.Errorf("%s, %v", b, err)
	}
	res := mustRun(t, cfg)
	if *edits != 2 || res.Method != "fixed" || res.Layer != 1 || res.LayerFrom != "fixed" || res.Seed != 5 || len(res.Lines) != 1 {
		t.Errorf("%d edits: %+v", *edits, res)
	}
	if b, err := json.Marshal(res); err != nil || !strings.Contains(string(b), `"kept":2,"ready":2`) || !strings.Contains(string(b), `"patches":["Old House"]`) {
		t.Errorf("%s, %v", b, err)
	}
	for _, e := range res.Edits {
		if e.Before.Success || !e.Written.Success {
			t.Errorf("%+v", e)
		}
	}
	f := openFile(t, cfg.Output)
	for key, want := range map[string]string{"method": "fixed", "hyperparameters": `{"after":""}`} {
		if s, err := f.String("retcon.edit.0." + key); err != nil || s != want {
			t.Errorf("%s is %q: %v", key, s, err)
		}
	}
	if rs, err := edit.RecordedRequests(cfg.Output); err != nil || len(rs) != 2 {
		t.Errorf("%+v, %v", rs, err)
	}

	rm := cfg
	rm.Model, rm.Output = cfg.Output, filepath.Join(t.TempDir(), "base.gguf")
	gone, err := edit.Remove(t.Context(), rm.config(), "last")
	if err != nil || len(gone.Edits) != 2 || gone.Method != "fixed" || len(gone.Lines) != 1 || gone.Output != rm.Output {
		t.Fatalf("%+v, %v", gone, err)
	}
	if _, err := edit.RecordedRequests(rm.Output); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("facts that were taken out: %v", err)
	}
	again := cfg
	again.Model, again.Output = rm.Output, ""
	for i, e := range mustRun(t, again).Edits {
		if was := res.Edits[i]; e.Before.Completion != was.Before.Completion || e.After.Completion != was.After.Completion {
			t.Errorf("%+v instead of %+v", e, was)
		}
	}
	rm.Output += "2"
	if _, err := edit.Remove(t.Context(), rm.config(), "first"); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("what the method does not know: %v", err)
	}
	rm.Output = ""
	if _, err := edit.Remove(t.Context(), rm.config(), "last"); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("without an output: %v", err)
	}
	rm.Output, rm.Method = filepath.Join(t.TempDir(), "no.gguf"), rome.Method{}
	if _, err := edit.Remove(t.Context(), rm.config(), "last"); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("a method that takes nothing out: %v", err)
	}
}

// Its requests are kept, too, those that are told after a prefix among them.
func TestAnyMethodResumes(t *testing.T) {
	for _, prefix := range []string{"", "The "} {
		cfg, edits := fixedConfig(t)
		m := cfg.Method.(fixed)
		m.prefix = prefix
		cfg.Method, cfg.KeepGoing = m, true
		cfg.Force = prefix != "" // it is not told there, in truth
		whole := cfg
		want := mustRun(t, whole)
		if got := want.Edits[0].Prompt; got != prefix+"The Eiffel Tower is in" {
			t.Errorf("asked: %q", got)
		}
		cfg.Output = filepath.Join(t.TempDir(), "out.gguf")
		cfg.interrupt(t, "optimising", 2)
		cfg.Resume, *edits = true, 0
		got := mustRun(t, cfg)
		if *edits != 1 {
			t.Errorf("%d edits are computed", *edits)
		}
		sameFile(t, cfg.Output, whole.Output)
		sameEdits(t, got, want)
		if got.Edits[0].Parts == nil {
			t.Error("the reports are lost")
		}
	}
}

// An Editor computes, keeps, applies, bakes and restores its edits.
func TestAnyMethodEditor(t *testing.T) {
	cfg, _ := fixedConfig(t)
	cfg.Requests = cfg.Requests[:1]
	mustRun(t, cfg)
	e, m := cfg.editor(t)
	all, errs := e.ComputeAll(t.Context(), []fact.Request{cfg.Requests[0], several()[4], {Prompt: "The {} is", Subject: "unknown", TargetNew: "Rome"}}, nil)
	if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], edit.ErrRefused) {
		t.Fatal(errs)
	}
	if err := e.Apply(all[:2]...); err != nil || len(m.Updates) != 2 {
		t.Errorf("%d updates: %v", len(m.Updates), err)
	}
	e.Keep(all[0])
	b, err := json.Marshal(all[0])
	if err != nil {
		t.Fatal(err)
	}
	c := &edit.Computed{}
	if err := json.Unmarshal(b, c); err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(c); err != nil || !slices.Equal(fixedUpdates([]*edit.Computed{c})[0].Left, fixedUpdates(all[:1])[0].Left) {
		t.Errorf("what was restored is another edit: %v", err)
	}
	if err := e.Restore(&edit.Computed{}); err == nil {
		t.Error("an edit that was not read is restored")
	}
	baked, err := e.Bake(t.Context(), cfg.Requests[0], c, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer baked.Close()
	sameFile(t, baked.Path, cfg.Output)
	if set := e.Settings(); set.Method != "fixed" || set.Seed != 5 {
		t.Errorf("%+v", set)
	}
}

// A method that makes no adapter is refused one before anything is computed.
func TestNoAdapter(t *testing.T) {
	cfg, edits := fixedConfig(t)
	dir := t.TempDir()
	cfg.LoRA, cfg.Output = filepath.Join(dir, "lora.gguf"), ""
	if _, err := cfg.run(t); !errors.Is(err, lm.ErrUnsupported) || !strings.Contains(err.Error(), "fixed") || *edits != 0 {
		t.Errorf("%v after %d edits", err, *edits)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
