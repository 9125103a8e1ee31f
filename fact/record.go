package fact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Record is one fact of a data set with the prompts that score it.
type Record struct {
	// Index is its place in the file, from 0; Case is the data set's own
	// number, or Index.
	Index, Case int
	// Request is the fact; its Paraphrases and Neighbours are scored.
	Request Request
	// Generation are prompts about the subject that texts are generated from.
	Generation []string
	// Relation and TargetID are Wikidata's names of the fact's relation and
	// new answer; they find reference texts.
	Relation, TargetID string
	// Locality is a question of another matter and its answer, as zsRE has
	// it, which must stay.
	Locality *Question
	// Tokens says that the record is scored as zsRE's are: by the share of
	// target tokens that come first, not by the likelier of two targets.
	Tokens bool
}

// Question is a question and its answer.
type Question struct{ Prompt, Answer string }

// Answers are the targets that zsRE records can be read with.
type Answers string

const (
	// Alternative takes the counterfactual answer alt, as EasyEdit does.
	Alternative Answers = "alt"
	// Gold takes the true answer, as the papers on ROME and MEMIT do.
	Gold Answers = "answers"
)

// ReadRecords reads a data set of CounterFact, zsRE, or any other form of
// request; see ParseRecords.
func ReadRecords(path string, zsre Answers) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rs, err := ParseRecords(f, zsre)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rs, nil
}

// RecordsOf are records of requests alone.
func RecordsOf(requests []Request) []Record {
	out := make([]Record, len(requests))
	for i, r := range requests {
		out[i] = Record{Index: i, Case: i, Request: r}
		out[i].Request.Record = i + 1
	}
	return out
}

// ParseRecords reads records in any of the forms of edit.ParseRequests, an
// array or JSON lines. A CounterFact record must have both targets, and a zsRE
// record its rephrase and loc. Errors are edit.RecordErrors that wrap
// edit.ErrRequest and name the field.
func ParseRecords(r io.Reader, zsre Answers) ([]Record, error) {
	var out []Record
	err := EachRecord(r, func(n int, data json.RawMessage) error {
		rec, err := parseRecord(data, zsre)
		if err != nil {
			return err
		}
		rec.Index, rec.Request.Record = n-1, n
		if rec.Case < 0 {
			rec.Case = rec.Index
		}
		out = append(out, rec)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// more are the fields of a record that an edit does not need.
type more struct {
	Case    *int `json:"case_id"`
	Rewrite *struct {
		Relation string `json:"relation_id"`
		New      *struct {
			Str *string `json:"str"`
			ID  string  `json:"id"`
		} `json:"target_new"`
		True *struct {
			Str *string `json:"str"`
		} `json:"target_true"`
	} `json:"requested_rewrite"`
	Generation []string `json:"generation_prompts"`

	Src        *string         `json:"src"`
	Answers    json.RawMessage `json:"answers"`
	Rephrase   *string         `json:"rephrase"`
	Loc        *string         `json:"loc"`
	LocAnswer  *string         `json:"loc_ans"`
	Paraphrase []string        `json:"paraphrase_prompts"`
	Neighbours []string        `json:"neighborhood_prompts"`
}

func parseRecord(data []byte, zsre Answers) (Record, error) {
	rec := Record{Case: -1}
	var m more
	if err := json.Unmarshal(data, &m); err != nil {
		return rec, Bad(err)
	}
	if m.Rewrite != nil {
		if err := rec.counterFact(&m); err != nil {
			return rec, err
		}
	}
	var err error
	if rec.Request, err = ParseRequest(data); err != nil {
		return rec, err
	}
	rec.Generation = m.Generation
	if m.Case != nil {
		rec.Case = *m.Case
	}
	if rec.Request.Subject == "" {
		return rec, Missing(m.field("subject"))
	}
	if m.Rewrite == nil && m.Src != nil {
		err = rec.zsre(&m, zsre)
	}
	return rec, err
}

// counterFact checks what scoring a CounterFact record takes.
func (rec *Record) counterFact(m *more) error {
	q := m.Rewrite
	switch {
	case q.New == nil || q.New.Str == nil || *q.New.Str == "":
		return Missing("requested_rewrite.target_new.str")
	case q.True == nil || q.True.Str == nil || *q.True.Str == "":
		return Missing("requested_rewrite.target_true.str")
	case len(m.Paraphrase) == 0:
		return Missing("paraphrase_prompts")
	case len(m.Neighbours) == 0:
		return Missing("neighborhood_prompts")
	}
	rec.Relation, rec.TargetID = q.Relation, q.New.ID
	return nil
}

// zsre takes the answer asked for, and the question of another matter.
func (rec *Record) zsre(m *more, answers Answers) error {
	rec.Tokens = true
	switch {
	case m.Rephrase == nil || *m.Rephrase == "":
		return Missing("rephrase")
	case m.Loc == nil || *m.Loc == "":
		return Missing("loc")
	case m.LocAnswer == nil || *m.LocAnswer == "":
		return Missing("loc_ans")
	}
	// the question mark is put there by the papers' loader
	rec.Locality = &Question{*m.Loc + "?", *m.LocAnswer}
	if answers == Gold {
		if rec.Request.TargetTrue == "" {
			return Missing("answers")
		}
		rec.Request.TargetNew, rec.Request.TargetTrue = rec.Request.TargetTrue, ""
	}
	return nil
}

// field is the name of a field of the fact in the record's form.
func (m *more) field(name string) string {
	if m.Rewrite != nil {
		return "requested_rewrite." + name
	}
	return name
}

func Missing(field string) error {
	return fmt.Errorf("%w: it has no %s", ErrRequest, field)
}

// Bad names the field that a JSON error is about.
func Bad(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return fmt.Errorf("%w: %s is a %s where a %s belongs", ErrRequest, e.Field, e.Value, e.Type)
	}
	return fmt.Errorf("%w: it is not a JSON record: %w", ErrRequest, err)
}
