package eval

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/fact"
	"retcon/internal/atomicfile"
	"retcon/internal/filelock"
)

// results.jsonl was written by an earlier version: its runs keep their
// ids, and its lines are written again byte for byte.
func TestFormat(t *testing.T) {
	const path = "testdata/results.jsonl"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := ReadResults(path)
	if err != nil || len(all) != 2 || len(all[1].Entries) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	for _, s := range all {
		if got := NewRun(s.Run.Settings, s.Run.Machine).ID; got != s.Run.ID {
			t.Errorf("run %s has become %s", s.Run.ID, got)
		}
	}
	again := filepath.Join(t.TempDir(), "again.jsonl")
	if err := WriteResults(again, atomicfile.Options{}, all); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
	row := map[string]any{}
	for _, f := range all[0].Fields() {
		row[f.Name] = f.Value
	}
	if row["chat"] != "turn" || row["covariance_keys"] != int64(1152) || row["tensor_type"] != "Q4_1" {
		t.Errorf("%v", row)
	}
}

func someEntry(run Run, index int, failed string) Entry {
	return Entry{Run: run.ID, Index: index, Error: failed, Edited: &Result{Values: Values{ExactMatch: 100}}}
}

// Results go on wherever their file was cut: whole lines count, failed records
// do not, and what follows is what one run would have written.
func TestResultsResume(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results.jsonl")
	run := NewRun(Settings{Command: "bench"}, Machine{Time: "now"})
	write := func(r *Results, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if added, err := r.Start(run); err != nil || added {
			t.Fatal(added, err)
		}
		for i := range 4 {
			if r.Has(run.ID, i) {
				continue
			}
			if err := r.Add(someEntry(run, i, "")); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write(CreateResults(path, false))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.IndexByte(whole, '\n') + 1
	for n := begin; n <= len(whole); n += 11 {
		if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		write(ResumeResults(path))
		if got, _ := os.ReadFile(path); !bytes.Equal(got, whole) {
			t.Fatalf("after %d bytes:\n%s", n, got)
		}
	}
	write(ResumeResults(filepath.Join(dir, "new.jsonl")))
	// what failed is tried again, and counts only where nothing better follows
	r, err := CreateResults(path, true)
	if err != nil {
		t.Fatal(err)
	}
	r.Start(run)
	for _, e := range []Entry{someEntry(run, 0, "no luck"), someEntry(run, 1, ""), someEntry(run, 1, "worse")} {
		if err := r.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	if r, err = ResumeResults(path); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Has(run.ID, 0) || !r.Has(run.ID, 1) || r.HasAll(run.ID, []fact.Record{{Index: 0}, {Index: 1}}) || !r.HasAll(run.ID, []fact.Record{{Index: 1}}) {
		t.Errorf("%+v", r.book.all)
	}
	if len(r.Series()) != 0 {
		t.Error("a run counts that was not started")
	}
	other := NewRun(Settings{Command: "eval"}, Machine{})
	if added, err := r.Start(other); err != nil || !added {
		t.Errorf("another run is added: %v, %v", added, err)
	}
	if added, err := r.Start(run); err != nil || added {
		t.Errorf("the same run is added: %v, %v", added, err)
	}
	if s := r.Series(); len(s) != 2 || s[0].Run.ID != other.ID || len(s[1].Entries) != 2 {
		t.Errorf("%+v", s)
	}
	if err := r.Add(Entry{Run: "unknown"}); err == nil {
		t.Error("an entry of no run is taken")
	}
}

// Results in memory are the same without a file, and a run that is there is
// gone on with.
func TestMemoryResults(t *testing.T) {
	r := MemoryResults()
	run := NewRun(Settings{Command: "bench"}, Machine{})
	for range 2 {
		if added, err := r.Start(run); added || err != nil {
			t.Fatal(added, err)
		}
	}
	if err := r.Add(someEntry(run, 3, "")); err != nil || !r.Has(run.ID, 3) || len(r.Series()) != 1 || r.Path() != "" {
		t.Errorf("%+v %v", r.Series(), err)
	}
	if err := r.kept(fs.ErrInvalid); err != fs.ErrInvalid {
		t.Errorf("%v is kept", err)
	}
	if err := errors.Join(r.Close(), (*Results)(nil).Close()); err != nil {
		t.Error(err)
	}
}

// Old results stay until there are new ones, and one run at a time has them.
func TestCreateResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateResults(path, false); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("over a file: %v", err)
	}
	r, err := CreateResults(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateResults(path, true); !errors.Is(err, filelock.ErrBusy) {
		t.Errorf("beside a run: %v", err)
	}
	r.Close()
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("%q", got)
	}
}

func TestBadResults(t *testing.T) {
	run, err := json.Marshal(NewRun(Settings{Command: "bench"}, Machine{}))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	for name, text := range map[string]string{
		"empty":         "",
		"text":          "hello\n",
		"no run":        `{"run":"x","index":0}` + "\n",
		"newer":         `{"schema":99,"run":"x","settings":{},"machine":{}}` + "\n",
		"unfinished":    string(run),
		"damaged":       string(run) + "\nx\n",
		"of no run":     string(run) + "\n" + `{"run":"x","index":0}` + "\n",
		"damaged twice": string(run) + "\nx\n" + `{"run":"x"`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadResults(path); !errors.Is(err, ErrResults) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		r, err := ResumeResults(path)
		if name == "empty" {
			if err == nil {
				err = r.Close()
			}
			if err != nil {
				t.Errorf("an empty file: %v", err)
			}
		} else if !errors.Is(err, ErrResults) {
			t.Errorf("%s is gone on with: %v", name, err)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("%s was changed", name)
		}
	}
}
