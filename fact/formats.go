package fact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"retcon/internal/fault"
	"retcon/internal/records"
	"retcon/internal/textfile"
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
//   - {"prompt", "subject", "target_new"}, our own and kmeng01/rome's;
//   - CounterFact: {"requested_rewrite": {..}, "paraphrase_prompts", ..};
//   - MQuAKE: {"requested_rewrite": [{..}, ..]}, a request for each;
//   - EasyEdit: {"prompt", "subject", "target_new", "ground_truth", "rephrase_prompt", ..};
//   - FastEdit: {"prompt", "subject", "target", "queries"};
//   - QAEdit: {"prompt", "subject", "target", "rephrase", "locality"};
//   - zsRE: {"src", "subject", "alt", "answers", "rephrase"}.
//
// A text is a string, {"str": ..} or a list of these; null, "" and [] are
// nothing. Keys that are not needed are ignored. Errors wrap ErrRequest and name
// the record and the field.
func ParseRequests(r io.Reader) ([]Request, error) {
	return parseRequests(r, func(n int, err error) error { return &RecordError{n, err} })
}

// ParseEach is ParseRequests for those who go on without records that cannot be
// used: such a one is a request that is Invalid.
func ParseEach(r io.Reader) ([]Request, error) {
	return parseRequests(r, func(int, error) error { return nil })
}

// parseRequests reads requests; invalid is asked whether to end at a record that
// cannot be used.
func parseRequests(r io.Reader, invalid func(n int, err error) error) ([]Request, error) {
	var out []Request
	err := eachRecord(r, func(n int, data json.RawMessage, err error) error {
		var forms []form
		if err == nil {
			forms, err = parseForms(data)
		}
		if err != nil {
			if err := invalid(n, err); err != nil {
				return err
			}
			forms = []form{{Request: Request{Invalid: err}}}
		}
		for _, f := range forms {
			f.Record = n
			out = append(out, f.Request)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	number(out, func(i int) *Request { return &out[i] })
	return out, nil
}

// number gives requests that are one of several in a record numbers of their own:
// all are counted then.
func number[T any](all []T, of func(int) *Request) {
	for i := range all {
		if of(i).Record != i+1 {
			for j := range all {
				of(j).Record = j + 1
			}
			return
		}
	}
}

// EachRecord hands fn the records of a JSON array, or of JSON values one after
// the other, in turn; n counts from 1. Errors, those of fn too, wrap ErrRequest
// or come as a RecordError. A stream without records is an error.
func EachRecord(r io.Reader, fn func(n int, data json.RawMessage) error) error {
	return eachRecord(r, func(n int, data json.RawMessage, err error) error {
		if err == nil {
			err = fn(n, data)
		}
		if err != nil {
			return &RecordError{n, err}
		}
		return nil
	})
}

// eachRecord hands fn what can be read, or the error of a record after which the
// others can be. Errors of fn are returned as they are.
func eachRecord(r io.Reader, fn func(n int, data json.RawMessage, err error) error) error {
	in, err := records.NewReader(r)
	for skipped := 0; err == nil; {
		var data json.RawMessage
		if data, err = in.Next(); err == nil {
			if err := fn(in.Count(), data, nil); err != nil {
				return err
			}
			continue
		}
		if skipped++; skipped <= mostBroken && broken(err) && in.Skip() {
			err = fn(in.Count(), nil, notJSON(err))
			if err != nil {
				return err
			}
		}
	}
	bad, text := errors.AsType[*textfile.Error](err)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case text:
		return bad
	case errors.Is(err, records.ErrEmpty):
		return fault.Errorf(ErrRequest, "there are no records in it")
	case errors.Is(err, records.ErrOpen):
		return fault.Errorf(ErrRequest, "the list ends after %d records without its ]", in.Count())
	case in == nil:
		return fault.Errorf(ErrRequest, "%w", err)
	}
	return &RecordError{in.Count() + 1, notJSON(err)}
}

// mostBroken is how many records may be no JSON before a file is taken for
// something else.
const mostBroken = 1000

// broken reports that a record is no JSON, and not that the stream is at fault.
func broken(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	return syntax
}

func notJSON(err error) error { return fault.Errorf(ErrRequest, "it is not a JSON record: %w", err) }
