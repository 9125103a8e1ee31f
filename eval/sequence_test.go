package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/fact"
)

// keepingEditor is a fakeEditor that counts what it kept.
type keepingEditor struct {
	fakeEditor
	kept *int
}

func (e keepingEditor) Keep(*edit.Computed) { *e.kept++ }

// newSequence makes a sequence over the model of newBench.
func newSequence(t *testing.T) (*Sequence, *int) {
	b := newBench(t)
	kept := new(int)
	return &Sequence{Scorer: b.Scorer, Editor: keepingEditor{b.Editor.(fakeEditor), kept}}, kept
}

func scoreSequence(t *testing.T, s *Sequence, rs []fact.Record) Series {
	t.Helper()
	out := Series{Run: NewRun(Settings{Command: "bench", Sequence: true}, Machine{Time: "now"})}
	for i := range rs {
		e, err := s.Record(context.Background(), &rs[i])
		if err != nil {
			t.Fatal(err)
		}
		e.Run = out.Run.ID
		out.Add(e)
	}
	return out
}

// All records are edited before any is scored, one that fails is left out, and
// the model is restored.
func TestSequence(t *testing.T) {
	rs := benchRecords()
	s, kept := newSequence(t)
	var parts [][]byte
	for i := range rs {
		m, err := s.Edit(context.Background(), &rs[i])
		if err != nil {
			t.Fatal(err)
		}
		// later ones share the fake's attention with those before them
		if (m.Error == "") != (i != 1) || i == 0 && !m.Told || i == 1 && m.Told {
			t.Errorf("record %d: %+v", i, m)
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, b)
	}
	if *kept != 4 {
		t.Errorf("%d edits were kept", *kept)
	}
	got := scoreSequence(t, s, rs)
	if f := s.Scorer.Model.(*fakeModel); len(f.shift) != 0 {
		t.Error("the model was left edited")
	}
	if got.Failed() != 1 || got.Entries[1].Error != errNothing.Error() {
		t.Errorf("%d failed: %+v", got.Failed(), got.Entries[1])
	}
	// the fake says all new answers equally then, the first of them on a draw
	said := 0
	for _, e := range got.Scored() {
		if e.Told == nil {
			t.Errorf("record %d has not been asked", e.Index)
		}
		said += int(e.Edited.Values[ExactMatch]) / 100
	}
	if said != 1 {
		t.Errorf("%d facts are told after all edits of a model that says one word", said)
	}
	// restored from what a journal has, it scores the same
	again, kept := newSequence(t)
	for _, part := range parts {
		m := new(Made)
		if err := json.Unmarshal(part, m); err != nil {
			t.Fatal(err)
		}
		if err := again.Restore(m); err != nil {
			t.Fatal(err)
		}
	}
	if *kept != 4 {
		t.Errorf("%d edits were kept again", *kept)
	}
	if diff := cmp.Diff(timeless(got), timeless(scoreSequence(t, again, rs))); diff != "" {
		t.Error(diff)
	}
	m := new(Made)
	if err := json.Unmarshal(bytes.Replace(parts[0], []byte(`"Word":"`), []byte(`"Word":7,"x":"`), 1), m); err != nil {
		t.Fatal(err)
	}
	if err := again.Restore(m); err == nil || *kept != 4 {
		t.Errorf("an edit that is none is restored: %v", err)
	}
}

// Survival is by quarters, each record in one of them.
func TestSurvival(t *testing.T) {
	s := Series{Run: NewRun(Settings{Sequence: true}, Machine{Time: "now"})}
	yes := true
	for i := range 10 {
		e := Entry{Index: i, Told: &yes, Edited: &Result{Values: Values{ExactMatch: float64(10 * i)}}}
		if i == 9 {
			e.Error = "failed"
		}
		s.Add(e)
	}
	ages := s.Survival()
	n, next := 0, 1
	for _, a := range ages {
		if a.First != next || a.AtOnce != 100 || a.Paraphrase != nil {
			t.Errorf("%+v", a)
		}
		n, next = n+a.N, a.Last+1
	}
	if len(ages) != 4 || n != 9 || next != 11 || *ages[0].Told != 5 {
		t.Errorf("%d ages of %d records up to %d, the first %v", len(ages), n, next, *ages[0].Told)
	}
	if len(SurvivalTable([]Series{s}).Rows) != 4 {
		t.Error("the table has other lines")
	}
	s.Run.Settings.Sequence = false
	if s.Survival() != nil {
		t.Error("a series that is no sequence has ages")
	}
}

// Prompts of other subjects count as changed where their likeliest token is
// another than the base's, and not where there is no base.
func TestNeighbourhoodChanged(t *testing.T) {
	b := newBench(t)
	rec := benchRecords()[0]
	e, err := b.Record(context.Background(), &rec)
	if err != nil {
		t.Fatal(err)
	}
	// the fake's edit makes one word the likeliest everywhere
	if v, ok := e.Edited.Values[NeighbourhoodChanged]; !ok || v != 100 {
		t.Errorf("%v of the prompts changed", v)
	}
	if _, ok := e.Base.Values[NeighbourhoodChanged]; ok {
		t.Error("the base has changed")
	}
	r := Result{Values: Values{}, Top1: []int32{1, 2, 3, 4}}
	r.compareTop1(&Result{Top1: []int32{1, 2, 3, 5}})
	near(t, "one of four", r.Values[NeighbourhoodChanged], 25)
	r = Result{Values: Values{}, Top1: []int32{1}}
	r.compareTop1(nil)
	if len(r.Values) != 0 {
		t.Errorf("without a base: %v", r.Values)
	}
}
