package average

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/records"
)

// Bounds on what is read of a file of facts.
const (
	mostBytes = 256 << 20
	mostFacts = 1 << 20
)

// ReadFacts reads facts from a file; see ParseFacts.
func ReadFacts(path string) ([]Fact, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	facts, err := ParseFacts(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return facts, nil
}

// ParseFacts reads JSON records, an array or one after the other (JSON lines):
// {"prompt", "subject", "answer", "subject_swap"} with or without the last two,
// or kmeng01/rome's known_1000.json, {"known_id", "subject", "attribute", "template", "prompt"}.
// Other keys are ignored. Spaces at the end of a prompt and around a subject are
// dropped. Errors wrap ErrFacts and name the record and the field.
func ParseFacts(r io.Reader) ([]Fact, error) {
	limited := &io.LimitedReader{R: r, N: mostBytes}
	in, err := records.NewReader(limited)
	var out []Fact
	for err == nil {
		var data json.RawMessage
		if data, err = in.Next(); err != nil {
			break
		}
		n := in.Count()
		if n > mostFacts {
			return nil, factsf("there are more than %d records", mostFacts)
		}
		f, err := parseFact(n, data)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", n, err)
		}
		out = append(out, f)
	}
	switch {
	case errors.Is(err, io.EOF):
		return out, nil
	case limited.N <= 0:
		return nil, factsf("the file is larger than %d MB", mostBytes>>20)
	case errors.Is(err, records.ErrEmpty):
		return nil, factsf("there are none in it")
	case errors.Is(err, records.ErrOpen):
		return nil, factsf("the list ends after %d records without its ]", len(out))
	case in == nil:
		return nil, factsf("%w", err)
	}
	return nil, fmt.Errorf("record %d: %w", len(out)+1, factsf("%s", decodeError(err)))
}

func parseFact(n int, data []byte) (Fact, error) {
	var raw record
	if err := json.Unmarshal(data, &raw); err != nil {
		return Fact{}, factsf("%s", decodeError(err))
	}
	f := raw.fact(n)
	return f, f.check()
}

func factsf(format string, args ...any) error {
	return fault.Errorf(ErrFacts, format, args...)
}

// decodeError says what is wrong with a record in a reader's words.
func decodeError(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field == "" {
			return fmt.Sprintf("it is a %s; a fact is {\"prompt\", \"subject\", \"answer\"}", e.Value)
		}
		return fmt.Sprintf("its %s is a %s, not a text", e.Field, e.Value)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Sprintf("it is not JSON: %v", err)
	}
	return err.Error()
}

// name is a text, or a number as it is written.
type name string

func (n *name) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case string(b) == "null":
	case json.Unmarshal(b, &s) == nil:
		*n = name(s)
	case len(b) > 0 && strings.ContainsRune("-0123456789", rune(b[0])):
		*n = name(b)
	default:
		return fmt.Errorf("its id is neither a text nor a number")
	}
	return nil
}

// record is the union of the formats.
type record struct {
	ID      name   `json:"id"`
	Prompt  string `json:"prompt"`
	Subject string `json:"subject"`
	Answer  string `json:"answer"`
	Swap    string `json:"subject_swap"`

	KnownID   name   `json:"known_id"`
	Attribute string `json:"attribute"`
	Template  string `json:"template"`
}

func (r record) fact(n int) Fact {
	f := Fact{
		Record: n, ID: first(string(r.ID), string(r.KnownID)),
		Prompt: strings.TrimRight(r.Prompt, " \t"), Subject: strings.TrimSpace(r.Subject),
		Answer: strings.TrimSpace(first(r.Answer, r.Attribute)), SubjectSwap: strings.TrimSpace(r.Swap),
	}
	// The template counts where there is no prompt, and where it says which of
	// several places is the subject's; in many records of known_1000.json it
	// is shorter than the prompt.
	template := strings.TrimRight(r.Template, " \t")
	whole := strings.Count(template, fact.Slot) == 1 && strings.Replace(template, fact.Slot, f.Subject, 1) == f.Prompt
	if f.Prompt == "" || whole {
		f.Prompt = template
	}
	return f
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
