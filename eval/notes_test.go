package eval

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"retcon/fact"
)

// scoreOf scores a record of the given answers on a fake that says these words.
func scoreOf(t *testing.T, say map[string]float64, next, old string, stages ...Stage) Result {
	t.Helper()
	m := newFake()
	m.shift = say
	rec := capital()
	rec.Request.TargetNew, rec.Request.TargetTrue = next, old
	job, err := (&Scorer{Model: m, Stages: stages}).Job(&rec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := job.Score(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Answers of which one is the other and more words are not compared, and the
// shorter is not told where the longer is.
func TestAnswersThatBegin(t *testing.T) {
	compared := []string{Efficacy, Paraphrase, Neighbourhood, EfficacyMagnitude, ParaphraseMagnitude, NeighbourhoodMagnitude, ChatEfficacy, ChatNeighbourhood}
	for _, c := range []struct {
		new, old string
		without  []string // besides
		say      string
		told     float64
	}{
		{"York", "York York", []string{EfficacyAccuracy, ParaphraseAccuracy}, " York", 0},
		{"York York", "York", []string{NeighbourhoodAccuracy}, " York", 100},
	} {
		r := scoreOf(t, map[string]float64{c.say: 90}, c.new, c.old, Likelihood, Match, Chat)
		for _, name := range append(c.without, compared...) {
			if v, ok := r.Values[name]; ok {
				t.Errorf("%q for %q: %s is %v", c.new, c.old, name, v)
			}
		}
		if r.Values[ExactMatch] != c.told || r.Values[ExactMatchParaphrase] != c.told || r.Values[ChatMatch] != c.told {
			t.Errorf("%q for %q: %v", c.new, c.old, r.Values)
		}
	}
	// zsRE's tokens
	rec := capital()
	rec.Tokens, rec.Request.TargetNew, rec.Request.TargetTrue = true, "York", "York York"
	job, err := (&Scorer{Model: newFake(), Stages: []Stage{Likelihood}}).Job(&rec)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := job.Score(context.Background(), true); err != nil || len(r.Values) > 0 {
		t.Errorf("%v, %v", r.Values, err)
	}
}

// An old answer that is the new one is as if there were none.
func TestSameAnswers(t *testing.T) {
	same, none := scoreOf(t, nil, "Rome", " Rome.", Likelihood, Match, Chat), scoreOf(t, nil, "Rome", "", Likelihood, Match, Chat)
	if len(same.Values) != len(none.Values) || len(none.Values) == 0 {
		t.Errorf("%v\n%v", same.Values, none.Values)
	}
	for name, v := range none.Values {
		near(t, name, same.Values[name], v)
	}
}

// What is odd about records is told before they are scored, stands in their
// entries, and below tables.
func TestOddRecords(t *testing.T) {
	records := benchRecords()
	records[1].Request = records[0].Request
	records[2].Request.TargetTrue = records[2].Request.TargetNew + " "
	var log bytes.Buffer
	b := newBench(t)
	runner := newRunner(MemoryResults(), records)
	runner.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if err := runner.Score(context.Background(), benchRun, "test", b); err != nil {
		t.Fatal(err)
	}
	all := runner.Results.Series()
	for _, want := range []string{"record 1 has the same fact as record 0", "record 2: the old answer is the same as the new one"} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("%s is not in\n%s", want, &log)
		}
	}
	e := all[0].Entries[2]
	if !strings.Contains(strings.Join(e.Warnings, "\n"), "the same as the new one") || e.Edited == nil {
		t.Errorf("%+v", e)
	}
	if _, ok := e.Edited.Values[Efficacy]; ok {
		t.Errorf("%v", e.Edited.Values)
	}
	all[0].Run.Settings.Replaced, all[0].Run.Settings.Data.File = 2, "m.gguf"
	notes := strings.Join(Notes(append(all, all[0])), "\n")
	for _, want := range []string{"2 facts of m.gguf that later edits replaced are not scored", "record 2: the old answer"} {
		if strings.Count(notes, want) != 1 {
			t.Errorf("%s is not in\n%s", want, notes)
		}
	}
	for i := range all[0].Entries {
		all[0].Entries[i].Old = all[0].Entries[i].Target
	}
	if len(all[0].Entries) > mostNotes && !strings.Contains(strings.Join(Notes(all), "\n"), "records more") {
		t.Error(Notes(all))
	}
}

func TestRepeats(t *testing.T) {
	of := func(prompt, answer string) fact.Record {
		return fact.Record{Request: fact.Request{Prompt: prompt, Subject: "Eiffel", TargetNew: answer}}
	}
	records := []fact.Record{of("{} is in", "Rome"), of("Eiffel is in", " Rome"), of("Eiffel is in", "Oslo"), of("x", "y"), of("{} is in ", "Oslo")}
	for i := range records {
		records[i].Index = 10 + i
	}
	if got := repeatsOf(records); len(got) != 2 || got[11] != 10 || got[14] != 12 {
		t.Error(got)
	}
}
