package fact

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormats(t *testing.T) {
	want := Request{Record: 1, Prompt: "{} is in", Subject: "Oslo", TargetNew: "Rome", TargetTrue: "Norway", Paraphrases: []string{"Where is Oslo?"}}
	for name, text := range map[string]string{
		"native":      `{"prompt":"{} is in","subject":"Oslo","target_new":"Rome","target_true":"Norway","paraphrase_prompts":["Where is Oslo?"]}`,
		"array":       "\ufeff [ {\"prompt\":\"{} is in\",\"subject\":\"Oslo\",\"target_new\":{\"str\":\"Rome\"},\"target_true\":{\"str\":\"Norway\",\"id\":\"Q1\"},\"paraphrase_prompts\":[\"Where is Oslo?\"]}]",
		"counterfact": `[{"case_id":1,"requested_rewrite":{"prompt":"{} is in","relation_id":"P1","target_new":{"str":"Rome"},"target_true":{"str":"Norway"},"subject":"Oslo"},"paraphrase_prompts":["Where is Oslo?"]}]`,
		"easyedit":    `{"prompt":"{} is in","subject":"Oslo","target_new":"Rome","ground_truth":["Norway"],"rephrase_prompt":"Where is Oslo?","locality":{}}`,
		"zsre":        `{"src":"{} is in","subject":"Oslo","alt":"Rome","answers":["Norway"],"rephrase":"Where is Oslo?","loc":"x"}`,
	} {
		rs, err := ParseRequests(strings.NewReader(text))
		if err != nil || len(rs) != 1 {
			t.Errorf("%s: %v %v", name, rs, err)
			continue
		}
		if d := cmp.Diff(want, rs[0]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for text, says := range map[string]string{
		"":    "no records",
		"[]":  "no records",
		" \n": "no records",
		`{"prompt":"a","subject":"a","target_new":"b"}{"prompt":"a"}`: "request 2",
		`[{"prompt":"a","subject":"a","target_new":"b"}`:              "after 1",
		`[{"prompt":"a","subject":"a","target_new":5}]`:               "request 1",
		`{"subject":"a","target_new":"b"}`:                            "no `prompt`",
		"prompt,subject\na,b":                                         "CSV",
	} {
		if _, err := ParseRequests(strings.NewReader(text)); !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
