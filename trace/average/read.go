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
// kmeng01/rome's known_1000.json, {"known_id", "subject", "attribute", "template", "prompt"},
// or those that [fact.ParseRequests] reads, whose answer is the old one. Other
// keys are ignored. Spaces at the end of a prompt and around a subject are
// dropped. Errors wrap ErrFacts and name the record and the field.
func ParseFacts(r io.Reader) ([]Fact, error) {
	limited := &io.LimitedReader{R: r, N: mostBytes}
	var out []Fact
	err := fact.EachRecord(limited, func(n int, data json.RawMessage) error {
		said, err := fact.ParseStatements(data)
		if err != nil {
			return err
		}
		for _, s := range said {
			f, err := statement(s)
			if err == nil {
				err = f.check()
			}
			if err != nil {
				return err
			}
			f.Record = len(out) + 1
			out = append(out, f)
		}
		if len(out) > mostFacts {
			return factsf("there are more than %d facts", mostFacts)
		}
		return nil
	})
	if err != nil && limited.N <= 0 {
		return nil, factsf("the file is larger than %d MB", mostBytes>>20)
	}
	if e, ok := errors.AsType[*fact.RecordError](err); ok {
		return nil, fmt.Errorf("record %d: %w", e.Record, e.Err)
	}
	return out, err
}

func factsf(format string, args ...any) error {
	return fault.Errorf(ErrFacts, format, args...)
}

// statement is a fact of what a record states.
func statement(s fact.Statement) (f Fact, err error) {
	f = Fact{Prompt: strings.TrimRight(s.Prompt, " \t"), Subject: strings.TrimSpace(s.Subject)}
	for _, key := range []string{"known_id", "id"} {
		id, err := s.Fields.Label(key)
		if err != nil {
			return f, err
		}
		if id != "" {
			f.ID = id
		}
	}
	answer, err := s.Fields.Text("answer", "attribute")
	if err != nil {
		return f, err
	}
	if answer == "" {
		answer = s.Old
	}
	f.Answer = strings.TrimSpace(answer)
	swap, err := s.Fields.One("subject_swap")
	if err != nil {
		return f, err
	}
	f.SubjectSwap = strings.TrimSpace(swap)
	// The template counts where there is no prompt, and where it says which of
	// several places is the subject's; in many records of known_1000.json it
	// is shorter than the prompt.
	template, err := s.Fields.One("template")
	if err != nil {
		return f, err
	}
	template = strings.TrimRight(template, " \t")
	whole := strings.Count(template, fact.Slot) == 1 && strings.Replace(template, fact.Slot, f.Subject, 1) == f.Prompt
	if f.Prompt == "" || whole {
		f.Prompt = fact.Fill(template, f.Subject)
	}
	switch {
	case f.Prompt == "":
		return f, s.Missing("prompt", "template")
	case f.Subject == "":
		return f, s.Missing("subject")
	}
	return f, nil
}
