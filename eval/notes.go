package eval

import (
	"fmt"

	"retcon/fact"
)

// Notes are lines for people: for each model of the series the types of its
// tensors, which files mix, then whose facts are scored where files were edited, what
// warnings runs have, and what is odd about the records.
func Notes(all []Series) []string {
	var out []string
	noted := map[string]bool{}
	for i := range all {
		if f := all[i].Run.Settings.Model; !noted[f.Print] && len(f.Types) > 0 {
			noted[f.Print] = true
			out = append(out, f.File+": "+f.classes())
		}
	}
	for i := range all {
		run := &all[i].Run
		set := run.Settings
		if set.Data.Edited {
			out = append(out, "scored on the facts of "+set.Data.File)
		}
		for _, w := range run.Warnings {
			out = append(out, "warning: "+w)
		}
		if key := fmt.Sprint(set.Data, set.From, set.Records); !noted[key] {
			noted[key] = true
			out = append(out, all[i].notes()...)
		}
	}
	return out
}

// mostNotes is how many records are noted one by one.
const mostNotes = 5

// notes say which facts are not scored and which records are odd.
func (s *Series) notes() []string {
	var out []string
	if n := s.Run.Settings.Replaced; n == 1 {
		out = append(out, fmt.Sprintf("1 fact of %s that a later edit replaced is not scored", s.Run.Settings.Data.File))
	} else if n > 1 {
		out = append(out, fmt.Sprintf("%d facts of %s that later edits replaced are not scored", n, s.Run.Settings.Data.File))
	}
	odd := 0
	for _, e := range s.Entries {
		for _, note := range e.notes() {
			if odd++; odd <= mostNotes {
				out = append(out, fmt.Sprintf("record %d: %s", e.Index, note))
			}
		}
	}
	if odd > mostNotes {
		out = append(out, fmt.Sprintf("and %d notes more on records", odd-mostNotes))
	}
	return out
}

// notes say what is odd about the record's answers, and which control tokens its
// texts hold.
func (e *Entry) notes() []string {
	f, err := fact.Request{Prompt: e.Prompt, Subject: e.Subject, TargetNew: e.Target, TargetTrue: e.Old}.Resolve()
	if err != nil {
		return nil
	}
	notes := f.AnswerNotes()
	if len(e.ControlTokens) > 0 {
		notes = append(notes, fact.ControlWarning(e.ControlTokens))
	}
	return notes
}

// repeatsOf are the records that have the same fact as an earlier one: by index,
// that of the first.
func repeatsOf(records []fact.Record) map[int]int {
	out, seen := map[int]int{}, map[string][]int{}
	facts := make([]fact.Fact, len(records))
	for i, rec := range records {
		f, err := rec.Request.Resolve()
		if err != nil {
			continue
		}
		facts[i] = f
		for _, first := range seen[f.Text] {
			if f.Same(facts[first]) {
				out[rec.Index] = records[first].Index
				break
			}
		}
		if _, again := out[rec.Index]; !again {
			seen[f.Text] = append(seen[f.Text], i)
		}
	}
	return out
}
