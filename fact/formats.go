package fact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"retcon/internal/fault"
	"retcon/internal/records"
)

// ReadRequests reads requests from a file of JSON records: an array, or one
// after the other (JSON lines). See ParseRequests.
func ReadRequests(path string) ([]Request, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rs, err := ParseRequests(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rs, nil
}

// ParseRequests reads records in any of these formats, each known by its keys:
//
//   - {"prompt", "subject", "target_new"}, our own and kmeng01/rome's; a target
//     is a string or {"str": ..};
//   - CounterFact: {"requested_rewrite": {..}, "paraphrase_prompts", ..};
//   - EasyEdit: {"prompt", "subject", "target_new", "ground_truth", "rephrase_prompt"};
//   - zsRE: {"src", "subject", "alt", "answers", "rephrase"}.
//
// Keys that are not needed are ignored. Errors wrap ErrRequest and name the
// record.
func ParseRequests(r io.Reader) ([]Request, error) {
	var out []Request
	err := EachRecord(r, func(n int, data json.RawMessage) error {
		req, err := ParseRequest(data)
		if err != nil {
			return err
		}
		req.Record = n
		out = append(out, req)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// EachRecord hands fn the records of a JSON array, or of JSON values one after
// the other, in turn; n counts from 1. Errors, those of fn too, wrap ErrRequest
// or come as a RecordError. A stream without records is an error.
func EachRecord(r io.Reader, fn func(n int, data json.RawMessage) error) error {
	in, err := records.NewReader(r)
	for err == nil {
		var data json.RawMessage
		if data, err = in.Next(); err != nil {
			break
		}
		if err := fn(in.Count(), data); err != nil {
			return &RecordError{in.Count(), err}
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, records.ErrEmpty):
		return fault.Errorf(ErrRequest, "there are no requests in it")
	case errors.Is(err, records.ErrOpen):
		return fault.Errorf(ErrRequest, "the list ends after %d requests without its ]", in.Count())
	case in == nil:
		return fault.Errorf(ErrRequest, "there are no requests: %v", err)
	}
	return &RecordError{in.Count() + 1, fault.Errorf(ErrRequest, "it is not a JSON record: %v", err)}
}

// ParseRequest reads one record in any of the formats of ParseRequests. Its
// errors wrap ErrRequest and name the field.
func ParseRequest(data []byte) (Request, error) {
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return Request{}, fault.Errorf(ErrRequest, "it is not a JSON record: %v", err)
	}
	return rec.request()
}

// text is a string, {"str": string}, or the first of a list of them.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
		return nil
	}
	var o struct{ Str *string }
	if json.Unmarshal(b, &o) == nil && o.Str != nil {
		*t = text(*o.Str)
		return nil
	}
	var l []text
	if json.Unmarshal(b, &l) == nil {
		if len(l) > 0 {
			*t = l[0]
		}
		return nil
	}
	return fmt.Errorf("%.40s is neither a text nor {\"str\": text}", b)
}

// texts is a text or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = texts{s}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// record is the union of the formats.
type record struct {
	Prompt     string `json:"prompt"`
	Subject    string `json:"subject"`
	TargetNew  *text  `json:"target_new"`
	TargetTrue text   `json:"target_true"`

	Rewrite     *record `json:"requested_rewrite"`
	Paraphrases texts   `json:"paraphrase_prompts"`
	Neighbours  texts   `json:"neighborhood_prompts"`
	Question    string  `json:"question"`

	GroundTruth    text  `json:"ground_truth"`
	RephrasePrompt texts `json:"rephrase_prompt"`

	Src      string `json:"src"`
	Alt      *text  `json:"alt"`
	Answers  text   `json:"answers"`
	Rephrase texts  `json:"rephrase"`
}

func (r *record) request() (Request, error) {
	if r.Rewrite != nil {
		q, err := r.Rewrite.request()
		q.Paraphrases, q.Neighbours, q.Question = r.Paraphrases, r.Neighbours, r.Question
		return q, err
	}
	q := Request{
		Prompt: first(r.Prompt, r.Src), Subject: r.Subject,
		TargetTrue:  first(string(r.TargetTrue), string(r.GroundTruth), string(r.Answers)),
		Paraphrases: append(append(r.Paraphrases, r.RephrasePrompt...), r.Rephrase...),
		Neighbours:  r.Neighbours, Question: strings.TrimSpace(r.Question),
	}
	switch {
	case r.TargetNew != nil:
		q.TargetNew = string(*r.TargetNew)
	case r.Alt != nil:
		q.TargetNew = string(*r.Alt)
	default:
		return q, fault.Errorf(ErrRequest, "it has no target_new (nor requested_rewrite, nor alt)")
	}
	if q.Prompt == "" {
		return q, fault.Errorf(ErrRequest, "it has no prompt (nor src)")
	}
	return q, nil
}

// first returns the first text that is not empty.
func first(s ...string) string {
	for _, t := range s {
		if t != "" {
			return t
		}
	}
	return ""
}
