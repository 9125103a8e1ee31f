package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func text(parts []byte) string { return string(parts) }

// A journal gives back what was added, under its own key only, and drops what
// was cut short.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.journal")
	j, parts, err := Resume(path, "k")
	if err != nil || len(parts) != 0 {
		t.Fatal(parts, err)
	}
	for _, part := range []string{"one", "two"} {
		if err := j.Add(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Resume(path, "other"); !errors.Is(err, ErrOther) {
		t.Errorf("another key: %v", err)
	}
	if _, err := Create(path, "k", false); !errors.Is(err, ErrExists) {
		t.Errorf("a journal with parts is replaced: %v", err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// at every length the parts that are whole are there, and one more can follow
	for n := len(whole); n >= 0; n-- {
		if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		j, parts, err := Resume(path, "k")
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if err := j.Add("last"); err != nil {
			t.Fatal(err)
		}
		j.Close()
		_, after, err := Resume(path, "k")
		if err != nil || len(after) != len(parts)+1 || text(after[len(parts)]) != "\"last\"\n" {
			t.Fatalf("%d bytes: %q behind %q, %v", n, after, parts, err)
		}
		if n == len(whole) && (len(parts) != 2 || text(parts[0]) != "\"one\"\n") {
			t.Errorf("parts are %q", parts)
		}
	}
	if j, err = Create(path, "k", true); err != nil {
		t.Fatal(err)
	}
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// What is no journal is neither read nor replaced.
func TestNoJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	for _, content := range []string{"notes", "notes\nmore\n", "{\"retcon_journal\":9,\"key\":\"k\"}\n", "{\"retcon_journal\":1,\"key\":\"k\"}\n{\n"} {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Resume(path, "k"); !errors.Is(err, ErrBroken) {
			t.Errorf("%q: %v", content, err)
		}
		if _, err := Create(path, "k", false); !errors.Is(err, ErrBroken) {
			t.Errorf("%q is replaced: %v", content, err)
		}
	}
}
