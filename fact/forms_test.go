package fact

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/internal/testfile"
)

// The forms of other tools, as they publish them.
func TestForms(t *testing.T) {
	tower := Request{Prompt: "The {} is in", Subject: "Eiffel Tower", TargetNew: "Rome"}
	with := func(change func(q *Request)) []Request {
		q := tower
		q.Record = 1
		change(&q)
		return []Request{q}
	}
	for _, c := range []struct {
		name, text string
		want       []Request
	}{
		{"FastEdit", `[{"prompt": "The {} is in", "subject": "Eiffel Tower", "target": "Rome", "queries": ["Go to"]}, {"prompt": "{}位于", "subject": "埃菲尔铁塔", "target": "罗马", "queries": []}]`,
			append(with(func(q *Request) { q.Paraphrases = []string{"Go to"} }), Request{Record: 2, Prompt: "{}位于", Subject: "埃菲尔铁塔", TargetNew: "罗马"})},
		{"MQuAKE", `{"case_id": 1, "requested_rewrite": [{"prompt": "The {} is in", "relation_id": "P131", "subject": "Eiffel Tower", "target_new": {"str": "Rome", "id": "Q220"}, "target_true": {"str": "Paris"}, "question": "Where is it?"},
			{"prompt": "{} speaks", "subject": "Danielle", "target_new": {"str": "English"}, "question": null}], "questions": ["Which river?"], "answer": "Seine", "new_answer": "Tiber"}{"prompt": "x is", "subject": "x", "target_new": "y"}`,
			append(with(func(q *Request) { q.TargetTrue, q.Question = "Paris", "Where is it?" }), Request{Record: 2, Prompt: "{} speaks", Subject: "Danielle", TargetNew: "English"},
				Request{Record: 3, Prompt: "x is", Subject: "x", TargetNew: "y"})},
		{"KnowEdit", `{"subject": "Eiffel Tower", "prompt": "The {} is in", "target_new": "Rome", "ground_truth": [["Paris", "Paris, France"]], "portability": {"Reasoning": [{"prompt": "p", "ground_truth": [["Italy"]]}]},
			"locality": {"Relation_Specificity": [{"prompt": "l", "ground_truth": [["G"], ["E"]]}], "Forgetfulness": null}, "rephrase": "Go to"}`,
			with(func(q *Request) { q.TargetTrue, q.Paraphrases = "Paris", []string{"Go to"} })},
		{"nothing", `{"prompt": "The {} is in", "subject": ["Eiffel Tower"], "target_new": "Rome", "ground_truth": null, "rephrase_prompt": null, "rephrase": "", "paraphrase_prompts": [], "neighborhood_prompts": [null, "", "  "], "question": null}`,
			with(func(q *Request) {})},
		{"texts", `{"Prompt": "The {} is in", "subject": {"str": "Eiffel Tower"}, "target_new": ["Rome", "Roma"], "target_old": "Paris", "rephrase": ["a", "b"], "paraphrase_prompts": "c", "neighborhood_prompts": "n"}`,
			with(func(q *Request) {
				q.TargetTrue, q.Paraphrases, q.Neighbours = "Paris", []string{"c", "a", "b"}, []string{"n"}
			})},
	} {
		for _, enc := range []string{c.text, "\ufeff" + strings.ReplaceAll(c.text, "\n", "\r\n")} {
			got, err := ParseRequests(strings.NewReader(enc))
			if d := cmp.Diff(c.want, got); d != "" || err != nil {
				t.Errorf("%s: %v\n%s", c.name, err, d)
			}
		}
		records, err := ParseRecords(strings.NewReader(c.text), Alternative)
		if err != nil || len(records) != len(c.want) {
			t.Errorf("%s: %d records, %v", c.name, len(records), err)
			continue
		}
		for i, r := range records {
			if d := cmp.Diff(c.want[i], r.Request); d != "" || r.Index != i {
				t.Errorf("%s: %s", c.name, d)
			}
		}
	}
}

// Questions of other matters, in all shapes that they are published in.
func TestLocality(t *testing.T) {
	one := []Question{{"who?", "me"}}
	for _, c := range []struct {
		text string
		want []Question
	}{
		{`"loc": "who", "loc_ans": "me"`, one},
		{`"locality_prompt": "who?", "locality_ground_truth": "me"`, one},
		{`"locality_prompt": ["who?", "what?"], "locality_ground_truth": [["me", "I"], "it"]`, []Question{{"who?", "me"}, {"what?", "it"}}},
		{`"locality": [{"loc": "who?", "loc_ans": "me"}, {"prompt": "what?", "answer": "it"}]`, []Question{{"who?", "me"}, {"what?", "it"}}},
		{`"locality": {"B": [{"prompt": "who?", "ground_truth": [["me"], ["I"]]}], "A": null, "C": {"prompt": ["a?", "b?"], "ground_truth": ["1", "2"]}}`, []Question{{"who?", "me"}, {"a?", "1"}, {"b?", "2"}}},
		{`"locality": "who?"`, []Question{{"who?", ""}}},
		{`"locality": ["who?", ""]`, []Question{{"who?", ""}}},
		{`"locality": {}`, nil}, {`"locality": null`, nil}, {`"locality": []`, nil}, {`"loc": ""`, nil}, {`"loc": null, "loc_ans": "x"`, nil},
	} {
		rs, err := ParseRecords(strings.NewReader(`{"prompt": "x is", "subject": "x", "target_new": "y", `+c.text+`}`), Alternative)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if d := cmp.Diff(c.want, rs[0].Locality); d != "" || rs[0].Tokens {
			t.Errorf("%s: %s", c.text, d)
		}
	}
	for text, want := range map[string][]Question{
		`{"prompt": "x is", "subject": "x", "target_new": "y", "portability": {"Reasoning": [{"prompt": "who?", "ground_truth": [["me"]]}], "Aliasing": null}}`:                            one,
		`{"prompt": "x is", "subject": "x", "target_new": "y", "portability": {"Recalled Relation": "(x, y)", "New Question": "who?", "New Answer": "me"}}`:                                one,
		`{"requested_rewrite": [{"prompt": "x is", "subject": "x", "target_new": "y"}], "questions": ["who?"], "answer": "you", "new_answer": "me"}`:                                       one,
		`{"requested_rewrite": [{"prompt": "x is", "subject": "x", "target_new": "y"}, {"prompt": "z is", "subject": "z", "target_new": "y"}], "questions": ["who?"], "new_answer": "me"}`: nil,
	} {
		rs, err := ParseRecords(strings.NewReader(text), Alternative)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if d := cmp.Diff(want, rs[0].Portability); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	for text, says := range map[string]string{
		`"locality": 5`: "`locality` is the number 5", `"locality": [{"prompt": 5}]`: "`locality[0].prompt` is the number 5",
		`"locality": {"prompt": ["a", "b"], "ground_truth": ["c"]}`: "2 questions and 1 answers",
		`"locality": [[[[[[["x"]]]]]]]`:                             "`locality[0][0][0][0]` is a list where",
	} {
		if _, err := ParseRecords(strings.NewReader(`{"prompt": "x is", "subject": "x", "target_new": "y", `+text+`}`), Alternative); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What is wrong is said in the words of the file, with what may be meant.
func TestRefusedRecords(t *testing.T) {
	python := "looks like Python's way"
	for text, says := range map[string]string{
		`{"prompt": "x is", "subject": "x", "target_new": 1901}`:                        "request 1: bad request: `target_new` is the number 1901: write it as the text \"1901\"",
		`{"prompt": "x is", "subject": "x", "target_new": true}`:                        "`target_new` is true where a text belongs",
		`{"prompt": "x is", "subject": "x", "target_new": {"text": "y"}}`:               "`target_new` is a record without `str`",
		`{"prompt": "x is", "subject": "x", "target_nwe": "y"}`:                         "it has no `target_new` (nor `alt`, nor `target`, nor `requested_rewrite`); `target_nwe`: did you mean `target_new`?",
		`{"prompt": "x is", "subject": "x", "new_target": "y"}`:                         "`new_target`: did you mean `target_new`?",
		`{"prompt": "x is", "subject": "x", "targetNew": "y"}`:                          "`targetNew`: did you mean `target_new`?",
		`{"prompts": ["x is", "y is"], "subject": ["x", "y"], "target_new": ["a"]}`:     "`subject` is a list of 2 texts: write a record for each fact",
		`{"prompts": "x is", "subject": "x", "target_new": "a"}`:                        "it has no `prompt` (nor `src`); `prompts`: did you mean `prompt`?",
		`{"prompt": "x is", "target_new": "a", "answer": "b"}`:                          "it has no `subject`; its keys are `answer`, `prompt`, `target_new`",
		`{"concept": "Ada", "text": "t", "labels": "l"}`:                                "it has no `prompt` (nor `src`); its keys are `concept`, `labels`, `text`",
		`{"requested_rewrite": []}`:                                                     "`requested_rewrite` is empty",
		`{"requested_rewrite": [5]}`:                                                    "`requested_rewrite[0]` is the number 5 where a record {..} belongs",
		`{"requested_rewrite": [{"prompt": "x", "subject": "x"}]}`:                      "it has no `requested_rewrite[0].target_new`",
		`{"prompt": "x is", "subject": "x", "target_new": "y", "rephrase": [["a", 2]]}`: "`rephrase` is the number 2",
		`{"prompt": "The sign \ud83d is", "subject": "sign \ud83d", "target_new": "y"}`: "`prompt` holds the escape \\ud83d alone, which is half of a character",
		`{"prompt": "The \\ud83d is", "subject": "x", "target_new": "\udc00\ud83d"}`:    "`target_new` holds the escape \\udc00 alone",
		`{"prompt": "a \u0000 b", "subject": "a", "target_new": "y"}`:                   "`prompt` holds a zero byte",
		`{'prompt': 'x is'}`:                           python,
		`{"prompt": "x is", "subject": None}`:          python,
		`[{"prompt": "x is", "subject": 'x'}]`:         python,
		"prompt,subject,target_new\nx is,x,y\n":        `"," between them (CSV)`,
		"\"prompt\";\"subject\"\n":                     `";" between them (CSV)`,
		"prompt\tsubject\n":                            `"\t" between them (CSV)`,
		"\x1f\x8b\x08\x00\x00\x00\x00":                 "at byte 0 begins a gzip file",
		"- prompt: x\n  subject: y\n":                  "YAML",
		"<html>":                                       "HTML",
		"{\"prompt\": \"x \xff\"}":                     "at byte 14 stands 0xff, which is not valid UTF-8",
		"[\"" + strings.Repeat("x", 1<<17) + "\x00\"]": "at byte 131074 stands a zero byte",
		`{"prompt": "x is",`:                           "unexpected EOF",
		`5 5`:                                          "it is the number 5 where a record {..} belongs",
	} {
		for kind, parse := range map[string]func() error{
			"requests": func() error { _, err := ParseRequests(strings.NewReader(text)); return err },
			"records":  func() error { _, err := ParseRecords(strings.NewReader(text), Alternative); return err },
		} {
			err := parse()
			if err == nil || !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "Go ") {
				t.Errorf("%s: %.60q: %v\n want %s", kind, text, err, says)
			}
		}
	}
}

// An escaped pair is one character, and an escaped backslash before u is none.
func TestPairs(t *testing.T) {
	rs, err := ParseRequests(strings.NewReader(`{"prompt": "\ud83d\uDDFC is \\ud83d", "subject": "\ud83d\uddfc", "target_new": "\u0079"}`))
	if err != nil || rs[0].Prompt != "\U0001f5fc is \\ud83d" || rs[0].Subject != "\U0001f5fc" || rs[0].TargetNew != "y" {
		t.Errorf("%+v, %v", rs, err)
	}
}

// Those who go on without bad records get the good ones, and why others are bad.
func TestParseEach(t *testing.T) {
	good := `{"prompt": "x is", "subject": "x", "target_new": "y"}`
	for _, c := range []struct{ text, want string }{
		{good + "\n" + `{"prompt": "x is"}` + "\n" + good, "12x3"},
		{good + "\n{'a': 1}\n" + good + "\n\nnot JSON\n" + good, "12x34x5"},
		{"[" + good + `, {"concept": "c"}, ` + good + "]", "12x3"},
		{"{\"prompt\":\n nothing,\n \"x\": 1\n}\n" + good + "\n", "1x2"},
		{good + "\n{'a': 1}", "12x"},
	} {
		rs, err := ParseEach(strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%.60q: %v", c.text, err)
			continue
		}
		got := ""
		for _, r := range rs {
			got += fmt.Sprint(r.Record)
			if _, err := r.Resolve(); err != nil {
				got += "x"
				if !errors.Is(err, ErrRequest) || !strings.HasPrefix(err.Error(), fmt.Sprintf("request %d: ", r.Record)) {
					t.Errorf("%.60q: %v", c.text, err)
				}
			}
		}
		if got != c.want {
			t.Errorf("%.60q: %s, want %s", c.text, got, c.want)
		}
	}
	for _, text := range []string{"", "[" + good, good + "\n\xff", good + "\n{"} {
		if _, err := ParseEach(strings.NewReader(text)); !errors.Is(err, ErrRequest) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// QAEdit as it is published.
func TestQAEdit(t *testing.T) {
	path := testfile.DataSet(t, "qaedit-500.json")
	requests, err := ReadRequests(path)
	if err != nil || len(requests) != 500 {
		t.Fatalf("%d requests, %v", len(requests), err)
	}
	records, err := ReadRecords(path, Gold)
	if err != nil || len(records) != 500 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	r := records[0]
	want := Request{Record: 1, Prompt: "who has the most 70 point games in nba history?", Subject: "most 70 point games in nba history", TargetNew: "Wilt Chamberlain *",
		Paraphrases: []string{"Which NBA player holds the record for the most games scoring 70 points or more?"}}
	if d := cmp.Diff(want, r.Request); d != "" || r.Case != 1104 || !r.Tokens || len(r.Locality) != 5 || r.Locality[1] != (Question{"who does spencer end up with in the books", "Toby"}) {
		t.Errorf("%+v\n%s", r, d)
	}
	found := 0
	for _, q := range requests {
		if _, err := q.Resolve(); err == nil {
			found++
		} else if !errors.Is(err, ErrRequest) {
			t.Error(err)
		}
	}
	t.Logf("%d of 500 name their subject as the prompt has it", found)
}
