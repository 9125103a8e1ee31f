package average

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"retcon/internal/mutate"
)

// Damaged files of facts end in facts that can be traced or in an error of the
// file.
func TestMutatedFacts(t *testing.T) {
	files := []mutate.File{
		{Name: "known_1000", Data: []byte(`[{"known_id": 7, "subject": "Vinson Massif", "attribute": "Antarctica", "template": "{} is located in the continent of", "prediction": "Antarctica", "prompt": "Vinson Massif is located in the continent of", "relation_id": "P30"},
{"known_id": 8, "subject": "Beats Music", "attribute": "Apple", "template": "{} is owned by", "prompt": "Beats Music is owned by"}]`)},
		{Name: "lines", Data: []byte("{\"prompt\": \"{} is in\", \"subject\": \"x\", \"answer\": \"y\", \"subject_swap\": \"z\"}\n{\"prompt\": \"The x is in\", \"subject\": \"x\"}\n")},
	}
	for i := range files {
		files[i].Mutate = mutate.Text
	}
	mutate.Each(t, files, 100, func(c mutate.Case) error {
		facts, err := ParseFacts(bytes.NewReader(c.Data))
		if err != nil && !errors.Is(err, ErrFacts) {
			return err
		}
		for _, f := range facts {
			if err := f.check(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Damaged results are read, or refused in one line; what is read can be
// averaged, and what is refused stays as it is.
func TestMutatedResults(t *testing.T) {
	_, h, path := whole(t, 6)
	files := []mutate.File{{Name: "averaged traces", Data: []byte(contents(t, path)), Mutate: mutate.Text}}
	other := filepath.Join(t.TempDir(), "results.jsonl")
	mutate.Each(t, files, 200, func(c mutate.Case) error {
		err := mutate.Continued(other, c, func() error {
			r, err := Resume(other, h)
			if err == nil {
				err = r.Close()
			}
			return err
		})
		if err != nil || len(c.Data) == 0 {
			return err
		}
		r, err := Read(other)
		if err != nil {
			if !errors.Is(err, ErrResults) || strings.Contains(err.Error(), "\n") {
				return err
			}
			return nil
		}
		s := Summarise(r.Header.Settings, r.Records)
		Picture(r.Header.Settings, s)
		Suggest(s)
		_, err = Merge([]string{other})
		if err != nil && !errors.Is(err, ErrSettings) && !errors.Is(err, ErrResults) {
			return err
		}
		return nil
	})
}
