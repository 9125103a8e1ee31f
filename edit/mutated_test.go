package edit_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/gguf"
	"retcon/internal/mutate"
)

// A run that finds a damaged journal goes on with it or refuses it in one line;
// it ends in files that are those of a run without interruption, or in none.
func TestMutatedJournal(t *testing.T) {
	cfg := testConfig(t, gguf.F32).severalTo(t)
	cfg.Requests = cfg.Requests[1:4] // one that is edited, one that is bad, one more
	cfg.interrupt(t, "side effects", 1)
	cfg.Resume = true
	good, err := os.ReadFile(cfg.journal())
	if err != nil {
		t.Fatal(err)
	}
	files := []mutate.File{{Name: "journal", Data: good, Mutate: mutate.Text}}
	mutate.Each(t, files, 60, func(c mutate.Case) error {
		if err := os.WriteFile(cfg.journal(), c.Data, 0o666); err != nil {
			return err
		}
		_, err := edit.Run(t.Context(), cfg.config())
		os.Remove(cfg.Output)
		os.Remove(cfg.LoRA)
		var kept *edit.KeptError
		if err != nil && strings.Contains(err.Error(), "\n") && !errors.As(err, &kept) {
			return err
		}
		return nil
	})
}
