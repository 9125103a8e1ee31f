package fact

import (
	"testing"

	"retcon/internal/mutate"
)

// Damaged files of requests end in facts that are text, the same for an edit and
// for its score, or in an error of the file.
func TestMutated(t *testing.T) {
	lines := goodCounterFact + "\n" + goodZsRE + "\n" + `{"prompt": "The {} is in", "subject": "Eiffel Tower", "target_new": "Rome", "ground_truth": [["Paris"]]}` + "\n"
	files := []mutate.File{
		{Name: "CounterFact", Data: []byte("[\n" + goodCounterFact + ",\n" + goodCounterFact + "\n]\n")},
		{Name: "lines", Data: []byte(lines)},
		{Name: "KnowEdit", Data: []byte(`[{"subject": "Eiffel Tower", "prompt": "The {} is in", "target_new": "Rome", "ground_truth": [["Paris", "Paris, France"]], "portability": {"Reasoning": [{"prompt": "p", "ground_truth": [["Italy"]]}]},
			"locality": {"Relation_Specificity": [{"prompt": "l", "ground_truth": [["G"], ["E"]]}], "Forgetfulness": null}, "rephrase": "Go to"}]`)},
		{Name: "MQuAKE", Data: []byte(`{"case_id": 1, "requested_rewrite": [{"prompt": "The {} is in", "relation_id": "P131", "subject": "Eiffel Tower", "target_new": {"str": "Rome", "id": "Q220"}, "target_true": {"str": "Paris"}, "question": "Where is it?"},
			{"prompt": "{} speaks", "subject": "Danielle", "target_new": {"str": "English"}, "question": null}], "questions": ["Which river?"], "answer": "Seine", "new_answer": "Tiber"}`)},
	}
	for i := range files {
		files[i].Mutate = mutate.Text
	}
	mutate.Each(t, files, 900, func(c mutate.Case) error { return readsOrRefuses(c.Data) })
}
