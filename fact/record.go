package fact

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Record is one fact of a data set with the prompts that score it.
type Record struct {
	// Index is its place among the facts of the file, from 0; Case is the data
	// set's own number, or Index.
	Index, Case int
	// Request is the fact; its Paraphrases and Neighbours are scored.
	Request Request
	// Generation are prompts about the subject that texts are generated from.
	Generation []string
	// Relation and TargetID are Wikidata's names of the fact's relation and
	// new answer; they find reference texts.
	Relation, TargetID string
	// Locality are questions of other matters, whose answers must stay.
	Locality []Question
	// Portability are questions whose answers follow from the new one.
	Portability []Question
	// Tokens says that the record is scored as zsRE's are: by the share of
	// target tokens that come first, not by the likelier of two targets.
	Tokens bool
}

// Answers are the targets that zsRE records can be read with.
type Answers string

const (
	// Alternative takes the counterfactual answer alt, as EasyEdit does.
	Alternative Answers = "alt"
	// Gold takes the true answer, as the papers on ROME and MEMIT do.
	Gold Answers = "answers"
)

// ReadRecords reads a data set in any form of request; see ParseRecords.
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

// ParseRecords reads records in any of the forms of ParseRequests, an array or
// JSON lines. What a record lacks is not scored. Errors are RecordErrors that
// wrap ErrRequest and name the field.
func ParseRecords(r io.Reader, zsre Answers) ([]Record, error) {
	var out []Record
	err := EachRecord(r, func(n int, data json.RawMessage) error {
		forms, err := parseForms(data)
		for i := range forms {
			if err == nil {
				rec := Record{Index: len(out), Request: forms[i].Request}
				rec.Request.Record = n
				err = rec.read(&forms[i], zsre)
				out = append(out, rec)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	number(out, func(i int) *Request { return &out[i].Request })
	return out, nil
}

// read takes what scores the fact.
func (rec *Record) read(f *form, zsre Answers) (err error) {
	rec.Case = rec.Index
	for _, key := range []string{"id", "case_id"} {
		n, ok, err := f.whole.Whole(key)
		switch {
		case ok:
			rec.Case = n
		case err != nil && key == "case_id":
			return err
		}
	}
	if rec.Generation, err = f.whole.Texts("generation_prompts"); err != nil {
		return err
	}
	if f.part {
		if rec.Relation, err = f.in.Text("relation_id"); err != nil {
			return err
		}
		// an answer that is a plain text has no such name
		if in, ok, err := f.in.Object("target_new"); ok && err == nil {
			rec.TargetID, _ = in.Text("id")
		}
	}
	if rec.Locality, err = locality(f.whole); err != nil {
		return err
	}
	if rec.Portability, err = portability(f); err != nil {
		return err
	}
	asked := !f.part && f.in.Has("src")
	rec.Tokens = asked || !f.part && f.TargetTrue == "" && f.in.Has("target") && len(rec.Locality) > 0
	if asked && zsre == Gold {
		if rec.Request.TargetTrue == "" {
			return f.in.Missing(knownKeys, "answers")
		}
		rec.Request.TargetNew, rec.Request.TargetTrue = rec.Request.TargetTrue, ""
	}
	return nil
}
