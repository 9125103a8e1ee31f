package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/atomicfile"
	"retcon/internal/shard"
)

// say lets the fake say the words of edits.
func (f *fakeModel) say(edits []*edit.Computed) {
	f.shift = map[string]float64{}
	for _, c := range edits {
		word := c.Change.(*fakeChange).Word
		f.id(word)
		f.shift[word] = 9
	}
}

// fakeEditor makes the first word of a target likely. It cannot edit "nothing".
// What scoring does not need of an editor is missing and panics.
type fakeEditor struct {
	Editor
	m *fakeModel
}

var errNothing = errors.New("nothing cannot be edited")

func (e fakeEditor) Compute(ctx context.Context, r fact.Request, _ func(int, int)) (*edit.Computed, error) {
	if r.Subject == "nothing" {
		return nil, errNothing
	}
	word := " " + strings.Fields(r.TargetNew)[0]
	return &edit.Computed{Change: &fakeChange{word}, Parts: []string{word}, Seconds: 2, Refusals: []string{"large"}}, nil
}

// fakeChange is a word that is to be likely.
type fakeChange struct{ Word string }

// Apply lets the fake say the words of these edits.
func (e fakeEditor) Apply(edits ...*edit.Computed) error {
	e.m.say(edits)
	return nil
}

func (e fakeEditor) Restore(c *edit.Computed) error {
	c.Change = &fakeChange{}
	return c.Decode(c.Change)
}

func benchRecords() []fact.Record {
	var rs []fact.Record
	for i, subject := range []string{"Eiffel", "nothing", "Louvre", "Orsay", "Seine"} {
		r := capital()
		r.Index, r.Case, r.Request.Subject = i, 100+i, subject
		r.Request.TargetNew = []string{"Rome", "Bonn", "Oslo", "Bern", "Riga"}[i]
		rs = append(rs, r)
	}
	return rs
}

// newBench makes a bench over a fake that has read all records in one order, so
// that its words have the same numbers whatever shard runs.
func newBench(t *testing.T) *Bench {
	t.Helper()
	m := newFake()
	s := &Scorer{Model: m, Seed: 4}
	for _, s.Stages = range [][]Stage{{Likelihood, Match, Fluent}, {Chat}} {
		for _, r := range benchRecords() {
			if _, err := s.Job(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := NewText(context.Background(), m, "the cat sat on the mat", 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { text.Close() })
	s.Text, s.Stages = text, Stages
	return &Bench{Scorer: s, Editor: fakeEditor{m: m}}
}

func run(t *testing.T, b *Bench, rs []fact.Record) Series {
	t.Helper()
	s := Series{Run: NewRun(Settings{Command: "bench", Method: "rome"}, Machine{Time: "now"})}
	for i := range rs {
		e, err := b.Record(context.Background(), &rs[i])
		if err != nil {
			t.Fatal(err)
		}
		e.Run = s.Run.ID
		s.Add(e)
	}
	return s
}

// timeless takes times and memory off a series.
func timeless(s Series) Series {
	out := Series{Run: s.Run}
	for _, e := range s.Entries {
		e.PeakRSS = 0
		for _, r := range []**Result{&e.Base, &e.Edited} {
			if *r != nil {
				c := **r
				c.Seconds, *r = nil, &c
			}
		}
		out.Entries = append(out.Entries, e)
	}
	return out
}

// Records are edited and restored; one that fails is named and left out.
func TestBench(t *testing.T) {
	b := newBench(t)
	s := run(t, b, benchRecords())
	if len(b.Scorer.Model.(*fakeModel).shift) != 0 {
		t.Error("the model was left edited")
	}
	if s.Failed() != 1 || s.Entries[1].Error != errNothing.Error() || s.Entries[1].Edited != nil || len(s.Scored()) != 4 {
		t.Fatalf("%d failed: %+v", s.Failed(), s.Entries[1])
	}
	edited, base := s.Edited(), s.Base()
	if edited[Efficacy].Value != 100 || edited[ExactMatch].Value != 100 || edited[Efficacy].N != 4 {
		t.Errorf("efficacy %+v, match %+v", edited[Efficacy], edited[ExactMatch])
	}
	if base[ExactMatch].Value != 0 || base[Perplexity].Value != b.Scorer.Text.Perplexity() {
		t.Errorf("base: %v", base)
	}
	if edited[KL].Value <= 0 || s.WorstPerplexity() <= 1 {
		t.Errorf("KL %v, worst perplexity %v", edited[KL], s.WorstPerplexity())
	}
	if c := s.Costs(); c.EditSeconds != 2 || c.Stages[Match] <= 0 {
		t.Errorf("%+v", c)
	}
	e, err := json.Marshal(s.Entries[0])
	if err != nil || !bytes.Contains(e, []byte(`"patches":[" Rome"]`)) {
		t.Errorf("what an edit consists of is not reported: %s, %v", e, err)
	}
	if f := b.Scorer.Model.(*fakeModel); len(f.shift) != 0 {
		t.Error("the model was left edited")
	}
}

// The base is scored once for all runs that share it.
func TestSharedBases(t *testing.T) {
	b := newBench(t)
	b.Bases = map[int]*Result{}
	first := run(t, b, benchRecords())
	marked := *b.Bases[2]
	marked.Completion = "kept"
	b.Bases[2] = &marked
	second := run(t, b, benchRecords())
	if second.Entries[2].Base.Completion != "kept" || first.Entries[2].Base.Completion == "kept" {
		t.Error("the base was scored again")
	}
}

// readyEditor computes nothing.
type readyEditor struct{ fakeEditor }

func (readyEditor) Compute(context.Context, fact.Request, func(int, int)) (*edit.Computed, error) {
	panic("the edit was computed before")
}

// Edits are scored in what was written where they are to be, and are computed
// once for both ways; the base is the unedited model's.
func TestWritten(t *testing.T) {
	b := newBench(t)
	b.Bases, b.Edits = map[int]*Result{}, map[int]*edit.Computed{}
	adapter := run(t, b, benchRecords())
	b.Editor = readyEditor{b.Editor.(fakeEditor)} // all edits are there
	for _, r := range benchRecords() {
		if r.Request.Subject == "nothing" {
			b.Edits[r.Index] = &edit.Computed{}
		}
	}
	model, open := b.Scorer.Model.(*fakeModel), 0
	b.Write = func(_ context.Context, r fact.Request, c *edit.Computed) (*Written, error) {
		if r.Subject == "nothing" {
			return nil, errNothing
		}
		m := *model
		m.say([]*edit.Computed{c})
		open++
		return &Written{
			Model: &m, Seconds: 3, Refusals: []string{"lost"}, TypesChanged: []edit.TypeChange{{From: "Q4_0", To: "Q8_0"}},
			Close: func() error { open--; return nil },
		}, nil
	}
	s := Series{Run: NewRun(Settings{Command: "bench", Method: "rome", As: AsBaked, Model: Facts{File: "m.gguf"}}, Machine{Time: "now"})}
	for _, e := range run(t, b, benchRecords()).Entries {
		s.Add(e)
	}
	if open != 0 || s.Failed() != 1 || s.Entries[1].Error != errNothing.Error() {
		t.Fatalf("%d open, %d failed", open, s.Failed())
	}
	for i, e := range s.Scored() {
		want := adapter.Scored()[i]
		if d := cmp.Diff(want.Edited.Values, e.Edited.Values); d != "" || e.Base != want.Base {
			t.Errorf("record %d (-adapter +written)\n%s", e.Index, d)
		}
		if e.WriteSeconds != 3 || len(e.Refusals) != 2 || e.Refusals[1] != "lost" || len(want.Refusals) != 1 {
			t.Errorf("%+v", e)
		}
	}
	if c := s.Costs(); c.WriteSeconds != 3 || s.Promoted()["Q4_0 -> Q8_0"] != 4 {
		t.Errorf("%+v, %v", c, s.Promoted())
	}
	table := Tables([]Series{adapter, s})
	last := table.Rows[len(table.Rows)-1]
	for _, want := range []string{"baked", "3.00", "Q4_0 -> Q8_0: 4"} {
		if !slices.Contains(last, want) {
			t.Errorf("%q has no %s", last, want)
		}
	}
	for _, row := range table.Rows[1:] {
		if len(row) != len(table.Columns) {
			t.Errorf("%d cells in %d columns: %q", len(row), len(table.Columns), row)
		}
	}
}

func TestNotes(t *testing.T) {
	s := Series{Run: NewRun(Settings{Model: Facts{File: "m.gguf", Print: "1", Types: map[string]string{
		"attn_q": "Q4_K", "attn_v": "Q4_K/Q6_K", "ffn_up": "Q4_K", "ffn_gate": "Q4_K", "ffn_down": "Q6_K", "token_embd": "Q8_0",
	}}}, Machine{Time: "now"})}
	want := []string{"m.gguf: attention Q4_K/Q6_K, ffn_gate/up Q4_K, ffn_down Q6_K, embedding Q8_0, output is the embedding"}
	if d := cmp.Diff(want, Notes([]Series{s, s})); d != "" {
		t.Error(d)
	}
}

// A seed fixes everything, and shards merged, in whatever order and through
// files, are one run.
func TestShardsMerge(t *testing.T) {
	whole := timeless(run(t, newBench(t), benchRecords()))
	if d := cmp.Diff(whole, timeless(run(t, newBench(t), benchRecords()))); d != "" {
		t.Fatalf("two runs differ (-first +second)\n%s", d)
	}
	dir := t.TempDir()
	var parts []Series
	for i := 3; i >= 1; i-- {
		rs, err := Subset(benchRecords(), 0, 0, shard.Shard{I: i, N: 3})
		if err != nil {
			t.Fatal(err)
		}
		part := run(t, newBench(t), rs)
		path := filepath.Join(dir, "part"+string(rune('0'+i)))
		if err := WriteResults(path, atomicfile.Options{}, []Series{part}); err != nil {
			t.Fatal(err)
		}
		read, err := ReadResults(path)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, read...)
	}
	merged := Merge(parts)
	if len(merged) != 1 {
		t.Fatalf("%d runs", len(merged))
	}
	if d := cmp.Diff(whole, timeless(merged[0])); d != "" {
		t.Errorf("(-whole +merged)\n%s", d)
	}
	a, _ := json.Marshal(whole.Edited())
	m, _ := json.Marshal(merged[0].Edited())
	if !bytes.Equal(a, m) {
		t.Errorf("summaries differ:\n%s\n%s", a, m)
	}
}

// batchEditor is a fakeEditor that tells which edits it computes at once.
type batchEditor struct {
	fakeEditor
	batches *[]int
}

func (e batchEditor) ComputeAll(ctx context.Context, rs []fact.Request, step func(int, int)) (computed []*edit.Computed, errs []error) {
	*e.batches = append(*e.batches, len(rs))
	for _, r := range rs {
		c, err := e.Compute(ctx, r, step)
		computed, errs = append(computed, c), append(errs, err)
	}
	return computed, errs
}

// Edits that are computed in batches score as others do. A run that goes on in
// the middle of a batch computes all of it.
func TestBatches(t *testing.T) {
	whole := timeless(run(t, newBench(t), benchRecords()))
	for from, want := range map[int][]int{0: {2, 2, 1}, 3: {2, 1}} {
		b, batches := newBench(t), []int{}
		b.Editor, b.Batch, b.Records = batchEditor{b.Editor.(fakeEditor), &batches}, 2, benchRecords()
		got := timeless(run(t, b, b.Records[from:]))
		if d := cmp.Diff(whole.Entries[from:], got.Entries); d != "" {
			t.Errorf("from %d on (-one by one +in batches)\n%s", from, d)
		}
		if !slices.Equal(batches, want) {
			t.Errorf("from %d on, batches of %v edits", from, batches)
		}
	}
}

// The settings make the run: a change of any is another run, the cache's state
// and the machine are not.
func TestRunID(t *testing.T) {
	a := Settings{Command: "bench", Layer: 5, Stats: &covariance.Stats{Source: "corpus"}}
	b := a
	b.Stats = &covariance.Stats{Source: "corpus", Cached: true}
	if NewRun(a, Machine{CPU: "x"}).ID != NewRun(b, Machine{Time: "now"}).ID {
		t.Error("the machine or the cache makes another run")
	}
	b.As, b.Tensor = AsAdapter, "Q4_1"
	if NewRun(a, Machine{Time: "now"}).ID != NewRun(b, Machine{Time: "now"}).ID {
		t.Error("the default, or what follows from the model, makes another run")
	}
	if b.As = AsBaked; NewRun(a, Machine{Time: "now"}).ID == NewRun(b, Machine{Time: "now"}).ID {
		t.Error("baked edits are the same run")
	}
	b.As, b.Layer = "", 6
	if NewRun(a, Machine{Time: "now"}).ID == NewRun(b, Machine{Time: "now"}).ID {
		t.Error("another layer is the same run")
	}
}

// stopped ends the context while a record is scored.
func TestBenchStops(t *testing.T) {
	b := newBench(t)
	ctx, stop := context.WithCancel(context.Background())
	stop()
	rec := benchRecords()[0]
	if _, err := b.Record(ctx, &rec); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
}

// Every file form has the same fields, those that scripts rely on among them.
func TestReportFields(t *testing.T) {
	s := run(t, newBench(t), benchRecords())
	fields := map[string]any{}
	for _, f := range s.Fields() {
		if _, twice := fields[f.Name]; twice {
			t.Errorf("field %s is there twice", f.Name)
		}
		fields[f.Name] = f.Value
	}
	b, err := json.Marshal(s.JSON())
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema        int
		Summary, Base map[string]any
		Records       []Entry
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"n", Score, Efficacy, Paraphrase, Neighbourhood, EfficacyMagnitude, "seconds_per_edit", "peak_rss_bytes"} {
		if fields[name] == nil {
			t.Errorf("a row has no %s", name)
		}
		if doc.Summary[name] == nil {
			t.Errorf("the summary has no %s", name)
		}
	}
	if doc.Base[Efficacy] == nil || len(doc.Records) != 5 || doc.Records[0].Run != "" || doc.Schema != Schema {
		t.Errorf("%s", b)
	}
	table := Tables([]Series{s})
	if len(table.Rows) != 2 || table.Rows[0][1] != "unedited" || table.Rows[1][1] != "rome" || table.Rows[1][4] != "4 (1 failed)" {
		t.Errorf("%q", table.Rows)
	}
}
