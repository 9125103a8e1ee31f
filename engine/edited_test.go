package engine_test

import (
	"context"
	"math"
	"testing"

	"retcon/engine"
	"retcon/eval"
	"retcon/fact"
	"retcon/internal/reference"
	"retcon/internal/testfile"
	"retcon/lm"
)

// editedScores are those of records edited the original's way, ours and the
// original's own, whose README says to compare means.
type editedScores struct {
	m    *engine.Model
	ours []eval.Values
	want map[string]float64 // sums
}

// record is that of an edit of the reference: the fact alone, or with
// paraphrases and neighbours where the data set is there.
func (s *editedScores) record(t *testing.T, i int, r reference.Edit, number int) fact.Record {
	t.Helper()
	rec := fact.RecordsOf([]fact.Request{{Prompt: r.Prompt, Subject: r.Subject, TargetNew: r.TargetNew, TargetTrue: r.TargetTrue}})[0]
	if testfile.HasDataSet(t, counterFact) {
		n := reference.Record(i)
		whole := readCounterFact(t, n+1)[n]
		q := whole.Request
		if q.Prompt != r.Prompt || q.Subject != r.Subject || q.TargetNew != r.TargetNew || q.TargetTrue != r.TargetTrue || whole.Case != number {
			t.Fatalf("record %d is %+v, not %+v of case %d", n, q, rec.Request, number)
		}
		rec = whole
	}
	return rec
}

// add scores a record without and with its edit applied, and restores the model.
func (s *editedScores) add(t *testing.T, i int, r reference.Edit, u lm.Update) {
	t.Helper()
	want := readScores(t)[reference.Record(i)]
	rec := s.record(t, i, r, want.Case)
	job, err := (&eval.Scorer{Model: s.m, Stages: []eval.Stage{eval.Likelihood}}).Job(&rec)
	if err != nil {
		t.Fatal(err)
	}
	score := func() eval.Result {
		r, err := job.Score(context.Background(), true)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	base := score()
	for k := range base.NLL.New {
		if d := max(math.Abs(base.NLL.New[k]-want.New[k]), math.Abs(base.NLL.True[k]-want.True[k])); !(d <= nllTolerance) {
			t.Errorf("prompt %d, unedited: NLL %.5f and %.5f, not %.5f and %.5f", k, base.NLL.New[k], base.NLL.True[k], want.New[k], want.True[k])
		}
	}
	if err := s.m.Apply([]lm.Update{u}); err != nil {
		t.Fatal(err)
	}
	defer s.m.Apply(nil)
	s.ours = append(s.ours, score().Values)
	if s.want == nil {
		s.want = map[string]float64{}
	}
	for name, v := range want.Edited {
		s.want[name] += 100 * v
	}
}

// check compares means. All four rewrites and paraphrases are told by both; one
// of 40 neighbourhood prompts may be a tie. The change of the weights agrees to
// rightTolerance, and with it the magnitude to some hundredths of a point (none
// seen).
func (s *editedScores) check(t *testing.T) {
	got := eval.Summarise(s.ours)
	near := func(t *testing.T, theirs, ours string, tolerance float64) {
		t.Helper()
		want := s.want[theirs] / float64(len(s.ours))
		t.Logf("%s %.2f, the original's %.2f", theirs, got[ours].Value, want)
		if d := math.Abs(got[ours].Value - want); !(d <= tolerance+1e-9) {
			t.Errorf("%s of %d edited records is %.2f, not %.2f", theirs, len(s.ours), got[ours].Value, want)
		}
	}
	near(t, "ES", eval.Efficacy, 0)
	near(t, "EM", eval.EfficacyMagnitude, 0.1)
	t.Run("other prompts", func(t *testing.T) {
		testfile.DataSet(t, counterFact)
		near(t, "PS", eval.Paraphrase, 0)
		near(t, "NS", eval.Neighbourhood, 2.5)
	})
}
