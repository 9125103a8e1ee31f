package engine_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	"retcon/engine"
	"retcon/eval"
	"retcon/lm"
)

// editedScores are those of records edited the original's way, ours and the
// original's own, whose README says to compare means.
type editedScores struct {
	m    *engine.Model
	ours []eval.Values
	want map[string]float64 // sums
}

// referenceRecord is the CounterFact record of each edit of the reference.
func referenceRecord(edit int) int { return edit + 1 }

// add scores a record with its edit applied, and restores the model.
func (s *editedScores) add(t *testing.T, i int, u lm.Update) {
	data, err := os.ReadFile(referenceScores)
	if err != nil {
		t.Skip("no reference scores beside the project")
	}
	var ref struct {
		Records []struct {
			Case   int                `json:"case_id"`
			Edited map[string]float64 `json:"edited"`
		}
	}
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	n := referenceRecord(i)
	recs := readCounterFact(t, n+1)
	if recs[n].Case != ref.Records[n].Case {
		t.Fatalf("record %d is case %d, not %d", n, recs[n].Case, ref.Records[n].Case)
	}
	job, err := (&eval.Scorer{Model: s.m, Stages: []eval.Stage{eval.Likelihood}}).Job(&recs[n])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.m.Apply([]lm.Update{u}); err != nil {
		t.Fatal(err)
	}
	defer s.m.Apply(nil)
	r, err := job.Score(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	s.ours = append(s.ours, r.Values)
	if s.want == nil {
		s.want = map[string]float64{}
	}
	for name, v := range ref.Records[n].Edited {
		s.want[name] += 100 * v
	}
}

// check compares means. All four rewrites and paraphrases are told by both; one
// of 40 neighbourhood prompts may be a tie. The change of the weights agrees to
// rightTolerance, and with it the magnitude to some hundredths of a point (none
// seen).
func (s *editedScores) check(t *testing.T) {
	got := eval.Summarise(s.ours)
	for _, c := range []struct {
		theirs, ours string
		tolerance    float64
	}{
		{"ES", eval.Efficacy, 0},
		{"PS", eval.Paraphrase, 0},
		{"NS", eval.Neighbourhood, 2.5},
		{"EM", eval.EfficacyMagnitude, 0.1},
	} {
		want := s.want[c.theirs] / float64(len(s.ours))
		t.Logf("%s %.2f, the original's %.2f", c.theirs, got[c.ours].Value, want)
		if d := math.Abs(got[c.ours].Value - want); !(d <= c.tolerance+1e-9) {
			t.Errorf("%s of %d edited records is %.2f, not %.2f", c.theirs, len(s.ours), got[c.ours].Value, want)
		}
	}
}
