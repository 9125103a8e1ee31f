package fact

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/internal/testfile"
)

const goodCounterFact = `{"case_id": 7, "requested_rewrite": {"prompt": "{} is in", "relation_id": "P1", "subject": "x", "target_new": {"str": "a", "id": "Q1"}, "target_true": {"str": "b", "id": "Q2"}},
	"paraphrase_prompts": ["p"], "neighborhood_prompts": ["n"], "generation_prompts": ["g"], "attribute_prompts": [1]}`

const goodZsRE = `{"subject": "x", "src": "where is x?", "rephrase": "x is where?", "alt": "a", "answers": ["b", "c"], "loc": "who", "loc_ans": "me"}`

func TestParseRecords(t *testing.T) {
	rs, err := ParseRecords(strings.NewReader("["+goodCounterFact+","+goodZsRE+`,{"prompt": "{} is in", "subject": "x", "target_new": "a"}]`), Alternative)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{Index: 0, Case: 7, Relation: "P1", TargetID: "Q1", Generation: []string{"g"}, Request: Request{
			Record: 1, Prompt: "{} is in", Subject: "x", TargetNew: "a", TargetTrue: "b", Paraphrases: []string{"p"}, Neighbours: []string{"n"}}},
		{Index: 1, Case: 1, Tokens: true, Locality: []Question{{"who?", "me"}}, Request: Request{
			Record: 2, Prompt: "where is x?", Subject: "x", TargetNew: "a", TargetTrue: "b", Paraphrases: []string{"x is where?"}}},
		{Index: 2, Case: 2, Request: Request{Record: 3, Prompt: "{} is in", Subject: "x", TargetNew: "a"}},
	}
	if d := cmp.Diff(want, rs); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	rs, err = ParseRecords(strings.NewReader(goodZsRE+"\n"), Gold)
	if err != nil || rs[0].Request.TargetNew != "b" || rs[0].Request.TargetTrue != "" {
		t.Errorf("gold answers: %+v, %v", rs, err)
	}
}

// Each broken field of a record is named, with the record.
func TestParseRecordErrors(t *testing.T) {
	drop := func(doc string, path ...string) string {
		var v map[string]any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		at := v
		for _, p := range path[:len(path)-1] {
			at = at[p].(map[string]any)
		}
		delete(at, path[len(path)-1])
		b, _ := json.Marshal(v)
		return string(b)
	}
	rr := "requested_rewrite"
	for _, c := range []struct{ bad, field string }{
		{drop(goodCounterFact, rr, "prompt"), "prompt"},
		{drop(goodCounterFact, rr, "subject"), "requested_rewrite.subject"},
		{drop(goodCounterFact, rr, "target_new"), "target_new"},
		{drop(goodCounterFact, rr, "target_true", "str"), "requested_rewrite.target_true"},
		{strings.Replace(goodCounterFact, `["g"]`, `[2]`, 1), "generation_prompts"},
		{strings.Replace(goodCounterFact, `"case_id": 7`, `"case_id": "seven"`, 1), "case_id"},
		{drop(goodZsRE, "subject"), "subject"},
		{drop(goodZsRE, "alt"), "alt"},
		{`{"prompt": 3, "subject": "x", "target_new": "a"}`, "prompt"},
		{`{"prompt": "x is", "target_new": "a"}`, "subject"},
		{`5`, "it is the number 5"},
		{`{`, "JSON record"},
	} {
		_, err := ParseRecords(strings.NewReader(goodCounterFact+"\n"+c.bad), Alternative)
		var rec *RecordError
		if !errors.As(err, &rec) || rec.Record != 2 || !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%.60s: %v; want one that names record 2 and %s", c.bad, err, c.field)
		}
	}
	if _, err := ParseRecords(strings.NewReader("[]"), Alternative); !errors.Is(err, ErrRequest) {
		t.Errorf("an empty list: %v", err)
	}
}

// The published data sets read whole, and the space before a target is the one
// space that the metrics are defined with.
func TestDataSets(t *testing.T) {
	for _, name := range []string{"counterfact", "zsre"} {
		t.Run(name, func(t *testing.T) {
			rs, err := ReadRecords(testfile.DataSet(t, name+"-1000.json"), Alternative)
			if err != nil || len(rs) != 1000 {
				t.Fatalf("%d records, %v", len(rs), err)
			}
			for _, r := range rs {
				q := r.Request
				prompts := append(append([]string{q.Prompt}, q.Paraphrases...), q.Neighbours...)
				for _, p := range prompts {
					if got := Follow(p, q.TargetNew); got != " "+strings.TrimSpace(q.TargetNew) {
						t.Errorf("%d: %q is followed by %q", r.Index, p, got)
					}
				}
			}
		})
	}
}
