package fact

import (
	"encoding/json"
	"slices"
	"strings"

	"retcon/internal/fault"
	"retcon/internal/records"
)

// The names that the forms have for the same thing; the first is ours.
var (
	promptKeys     = []string{"prompt", "src"}
	subjectKeys    = []string{"subject"}
	newKeys        = []string{"target_new", "alt", "target"}
	trueKeys       = []string{"target_true", "target_old", "ground_truth", "answers"}
	paraphraseKeys = []string{"paraphrase_prompts", "rephrase_prompt", "rephrase_prompts", "rephrase", "queries"}
	neighbourKeys  = []string{"neighborhood_prompts"}
	questionKeys   = []string{"question"}
	rewriteKeys    = []string{"requested_rewrite"}
)

// knownKeys are all keys that mean something in a record.
var knownKeys = slices.Concat(promptKeys, subjectKeys, newKeys, trueKeys, paraphraseKeys, neighbourKeys, questionKeys, rewriteKeys,
	[]string{"case_id", "id", "generation_prompts", "relation_id", "pred", "cond", "loc", "loc_ans", "locality", "locality_prompt", "locality_ground_truth",
		"portability", "answer", "template", "attribute", "subject_swap", "join", "literal"})

// form is a fact as a record has it: its request, and where else to look for
// what scores it.
type form struct {
	Request
	in    records.Object // which has the fact
	whole records.Object // the record; in is a part of it, or the same
	alone bool           // the record has no other fact
	part  bool           // in is a requested_rewrite
}

// parseForms reads the facts of a record.
func parseForms(data json.RawMessage) ([]form, error) {
	out, err := findForms(data)
	for i := range out {
		if err == nil {
			err = out[i].read()
		}
	}
	return out, err
}

// findForms finds the facts of a record, and reads nothing of them.
func findForms(data json.RawMessage) ([]form, error) {
	whole, err := records.Parse(data)
	if err != nil {
		return nil, err
	}
	ins := []records.Object{whole}
	part := whole.Has(rewriteKeys...)
	if part {
		if ins, err = whole.Objects(rewriteKeys[0]); err != nil {
			return nil, err
		}
		if len(ins) == 0 {
			return nil, fault.Errorf(ErrRequest, "`%s` is empty", rewriteKeys[0])
		}
	}
	out := make([]form, len(ins))
	for i, in := range ins {
		out[i] = form{in: in, whole: whole, alone: len(ins) == 1, part: part}
	}
	return out, nil
}

// state takes what the record says of the fact as it is.
func (f *form) state() (err error) {
	if f.Prompt, err = f.in.One(promptKeys...); err != nil {
		return err
	}
	if f.Subject, err = f.in.One(subjectKeys...); err != nil {
		return err
	}
	if f.part { // a template, whose {} is the place whatever else the prompt holds
		f.Prompt = Fill(f.Prompt, f.Subject)
	}
	f.TargetTrue, err = f.in.Text(trueKeys...)
	return err
}

// read takes the request.
func (f *form) read() (err error) {
	if err = f.state(); err != nil {
		return err
	}
	if f.TargetNew, err = f.in.Text(newKeys...); err != nil {
		return err
	}
	if err := f.reading(); err != nil {
		return err
	}
	from := []records.Object{f.in}
	if f.part && f.alone {
		from = append(from, f.whole)
	}
	for _, o := range from {
		if err := f.others(o); err != nil {
			return err
		}
	}
	switch {
	case f.Prompt == "":
		return f.in.Missing(knownKeys, promptKeys...)
	case f.Subject == "":
		return f.in.Missing(knownKeys, subjectKeys...)
	case !f.in.Has(newKeys...):
		names := newKeys
		if !f.part {
			names = slices.Concat(newKeys, rewriteKeys)
		}
		return f.in.Missing(knownKeys, names...)
	}
	return nil
}

// reading takes how the record's texts are to be read.
func (f *form) reading() (err error) {
	if f.Literal, err = f.in.Flag("literal"); err != nil {
		return err
	}
	join, err := f.in.One("join")
	switch f.Join = Join(join); f.Join {
	case "auto":
		f.Join = ""
		return err
	case "", Space, NoSpace:
		return err
	}
	return fault.Errorf(ErrRequest, "`%s` is %q: it can be %q or %q", f.in.Path("join"), join, Space, NoSpace)
}

// others takes the other prompts that o has.
func (f *form) others(o records.Object) error {
	paraphrases, err := o.Texts(paraphraseKeys...)
	if err != nil {
		return err
	}
	neighbours, err := o.Texts(neighbourKeys...)
	if err != nil {
		return err
	}
	question, err := o.Text(questionKeys...)
	if err != nil {
		return err
	}
	f.Paraphrases = append(f.Paraphrases, paraphrases...)
	f.Neighbours = append(f.Neighbours, neighbours...)
	if f.Question == "" {
		f.Question = strings.TrimSpace(question)
	}
	return nil
}
