package eval

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"retcon/internal/mutate"
)

// Damaged files of results are read, or refused in one line; what is read can be
// merged and shown, and what is refused stays as it is.
func TestMutatedResults(t *testing.T) {
	good, err := os.ReadFile("testdata/results.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	mutate.Each(t, []mutate.File{{Name: "results.jsonl", Data: good, Mutate: mutate.Text}}, 400, func(c mutate.Case) error {
		err := mutate.Continued(path, c, func() error {
			r, err := ResumeResults(path)
			if err == nil {
				err = r.Close()
			}
			return err
		})
		if err != nil || len(c.Data) == 0 {
			return err
		}
		if err := os.WriteFile(path, c.Data, 0o666); err != nil {
			return err
		}
		all, err := ReadResults(path)
		if err != nil {
			if !errors.Is(err, ErrResults) || strings.Contains(err.Error(), "\n") {
				return err
			}
			return nil
		}
		all = Merge(append(all, all...))
		for i := range all {
			all[i].Fields()
			all[i].JSON()
		}
		SurvivalTable(all)
		return Tables(all).WriteMarkdown(io.Discard)
	})
}
