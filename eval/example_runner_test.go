package eval_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"retcon/eval"
	"retcon/fact"
)

// told scores a record without a model: all but one fact are told.
type told struct{}

func (told) Record(_ context.Context, rec *fact.Record) (eval.Entry, error) {
	e := eval.NewEntry(rec)
	e.Edited = &eval.Result{Values: eval.Values{eval.ExactMatch: 100}}
	if rec.Request.Subject == "Orsay" {
		e.Edited.Values[eval.ExactMatch] = 0
	}
	return e, nil
}

// A run is kept in a file and goes on with what that has. A Bench, a Sequence or
// a Compare stands where this example has told.
func ExampleRunner() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var requests []fact.Request
	for _, subject := range []string{"Louvre", "Orsay", "Seine"} {
		requests = append(requests, fact.Request{Prompt: "{} is in", Subject: subject, TargetNew: "Rome"})
	}
	task := &eval.Task{Records: fact.RecordsOf(requests), Stages: []eval.Stage{eval.Match}, Settings: eval.Settings{Command: "bench"}}
	run := eval.NewRun(task.Settings, eval.Machine{})
	for range 2 { // the second time all is there
		results, err := eval.ResumeResults(filepath.Join(dir, "results.jsonl"))
		if err != nil {
			fmt.Println(err)
			return
		}
		scored := 0
		r := &eval.Runner{Task: task, Results: results, Progress: func(_ string, done, _ int64) { scored = int(done) }}
		if err := r.Score(context.Background(), run, "records", told{}); err != nil {
			fmt.Println(err)
		}
		for _, s := range results.Series() {
			match := s.Edited()[eval.ExactMatch]
			fmt.Printf("%d records, %.1f %% told\n", scored, match.Value)
		}
		results.Close()
	}
	// Output:
	// 3 records, 66.7 % told
	// 3 records, 66.7 % told
}
