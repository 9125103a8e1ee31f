package fact

import (
	"strings"

	"retcon/internal/fault"
	"retcon/internal/records"
)

// Question is a question and its answer, which may not be known.
type Question struct{ Prompt, Answer string }

// The names that questions and their answers go by.
var (
	askedKeys    = []string{"prompt", "loc", "question", "locality_prompt", "New Question"}
	answeredKeys = []string{"ground_truth", "loc_ans", "answer", "locality_ground_truth", "New Answer"}
)

// locality are a record's questions of other matters: zsRE's loc and loc_ans,
// EasyEdit's locality_prompt and locality_ground_truth, and what is in locality,
// as lists or as records by any names.
func locality(o records.Object) ([]Question, error) {
	var out []Question
	loc, err := o.Text("loc")
	if err != nil {
		return nil, err
	}
	answer, err := o.Text("loc_ans")
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(loc) != "" {
		// the question mark is put there by the papers' loader
		out = append(out, Question{loc + "?", answer})
	}
	flat, err := questions(o.Only("locality_prompt", "locality_ground_truth"))
	if err != nil {
		return nil, err
	}
	more, err := questionsIn(o, "locality")
	return append(append(out, flat...), more...), err
}

// portability are questions that the new answer answers: what is in portability,
// as in locality, and those of MQuAKE where its record has one fact, since all of
// them lead to the answer.
func portability(f *form) ([]Question, error) {
	out, err := questionsIn(f.whole, "portability")
	if err != nil || !f.part || !f.alone || !f.whole.Has("new_answer") {
		return out, err
	}
	prompts, err := f.whole.Texts("questions")
	if err != nil {
		return nil, err
	}
	answer, err := f.whole.Text("new_answer")
	for _, p := range prompts {
		out = append(out, Question{p, answer})
	}
	return out, err
}

// questionsIn are those of a field, in lists or by any names in records; a text
// alone is a question whose answer is not known.
func questionsIn(o records.Object, field string) ([]Question, error) {
	var out []Question
	err := o.Walk(field, func(o records.Object) (bool, error) {
		qs, err := questions(o)
		out = append(out, qs...)
		return len(qs) > 0, err
	}, func(prompt string) error {
		out = append(out, Question{Prompt: prompt})
		return nil
	})
	return out, err
}

// questions are those of one record: a prompt and its answer, of which several
// may be known, or as many prompts as answers.
func questions(o records.Object) ([]Question, error) {
	prompts, err := o.Texts(askedKeys...)
	if err != nil || len(prompts) == 0 {
		return nil, err
	}
	if len(prompts) == 1 {
		answer, err := o.Text(answeredKeys...)
		return []Question{{prompts[0], answer}}, err
	}
	answers, err := o.Firsts(answeredKeys...)
	if err != nil {
		return nil, err
	}
	if len(answers) > 0 && len(answers) != len(prompts) {
		return nil, fault.Errorf(ErrRequest, "`%s`: %d questions and %d answers", o.Path("prompt"), len(prompts), len(answers))
	}
	out := make([]Question, len(prompts))
	for i, p := range prompts {
		out[i].Prompt = p
		if len(answers) > 0 {
			out[i].Answer = answers[i]
		}
	}
	return out, nil
}
