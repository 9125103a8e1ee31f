package jsonl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/internal/atomicfile"
	"retcon/internal/filelock"
)

var errBad = errors.New("bad file")

var numbers = Format{Name: "numbers", Bad: errBad}

// reader takes a header {"numbers":1} and records that are numbers.
func reader(into *[]int) Reader {
	return Reader{
		Header: func(line []byte) error {
			if string(line) != `{"numbers":1}` {
				return ErrHeader
			}
			return nil
		},
		Record: func(line []byte) error {
			var n int
			err := json.Unmarshal(line, &n)
			*into = append(*into, n)
			return err
		},
	}
}

var head = map[string]int{"numbers": 1}

func add(t *testing.T, f *File, vs ...any) {
	t.Helper()
	for _, v := range vs {
		if err := f.Add(v); err != nil {
			t.Fatal(err)
		}
	}
}

func closed(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A file that is cut at any place after its header goes on with its whole
// lines; one that is cut before is not ours, unless nothing is left.
func TestResumeAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.jsonl")
	f, err := Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	add(t, f, head, 10, 20, 30)
	closed(t, f)
	whole := contents(t, path)
	if whole != "{\"numbers\":1}\n10\n20\n30\n" {
		t.Fatalf("%q", whole)
	}
	begin := strings.Index(whole, "\n") + 1
	for n := range len(whole) + 1 {
		put(t, path, whole[:n])
		var got []int
		f, torn, err := numbers.Resume(path, reader(&got))
		if 0 < n && n < begin {
			if !errors.Is(err, errBad) || contents(t, path) != whole[:n] {
				t.Errorf("%q: %v, leaves %q", whole[:n], err, contents(t, path))
			}
			continue
		}
		if err != nil {
			t.Fatalf("%q: %v", whole[:n], err)
		}
		if torn != (n > 0 && whole[n-1] != '\n') || f.Begun() != (n > 0) {
			t.Errorf("%q: torn %v, begun %v", whole[:n], torn, f.Begun())
		}
		if !f.Begun() {
			add(t, f, head)
		}
		for i := len(got); i < 3; i++ {
			add(t, f, 10*(i+1))
		}
		closed(t, f)
		if contents(t, path) != whole {
			t.Errorf("%q became %q", whole[:n], contents(t, path))
		}
	}
}

// What is not ours is refused and stays as it is.
func TestForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	for _, text := range []string{
		"notes", "notes\n", "{\"json\": \"of others\"}", "{\"json\": \"of others\"}\n", "{\"numbers\":1}", "{\"numbers\":2}\n", "\n",
		"{\"numbers\":1}\n1\nx\n", "{\"numbers\":1}\n1\nx\n2", strings.Repeat("x", longest+1), "{\"numbers\":1}\n" + strings.Repeat("1", longest+1),
	} {
		put(t, path, text)
		var got []int
		_, _, err := numbers.Resume(path, reader(&got))
		if !errors.Is(err, errBad) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%.30q: %v", text, err)
		}
		if _, err := numbers.Read(path, reader(&got)); !errors.Is(err, errBad) {
			t.Errorf("%.30q is read: %v", text, err)
		}
		if _, err := Create(path, false); !errors.Is(err, atomicfile.ErrExists) {
			t.Errorf("%.30q is replaced: %v", text, err)
		}
		if contents(t, path) != text {
			t.Errorf("%.30q was changed", text)
		}
	}
	other := errors.New("another run's")
	put(t, path, "{\"numbers\":1}\n1\n2")
	_, _, err := numbers.Resume(path, Reader{Header: func([]byte) error { return other }})
	if !errors.Is(err, other) || errors.Is(err, errBad) || contents(t, path) != "{\"numbers\":1}\n1\n2" {
		t.Errorf("a header that is refused: %v", err)
	}
}

// A file that is replaced stays until there is something to put in its place,
// and a name that was reserved for nothing is free again.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.jsonl")
	for range 2 { // a new file, and one that was there
		f, err := Create(path, true)
		if err != nil {
			t.Fatal(err)
		}
		closed(t, f)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an empty file is left: %v", err)
		}
	}
	put(t, path, "old")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	f, err := Create(link, true)
	if err != nil {
		t.Fatal(err)
	}
	if contents(t, path) != "old" {
		t.Error("it was emptied first")
	}
	closed(t, f)
	if contents(t, path) != "old" {
		t.Error("it was replaced by nothing")
	}
	if f, err = Create(link, true); err != nil {
		t.Fatal(err)
	}
	add(t, f, head, 1)
	closed(t, f)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got := contents(t, path); got != "{\"numbers\":1}\n1\n" {
		t.Errorf("%q", got)
	}
	if names, _ := os.ReadDir(dir); len(names) != 2 {
		t.Errorf("left behind: %v", names)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "no", "folder"), "/dev/null"} {
		if _, err := Create(bad, true); err == nil {
			t.Errorf("%s was created", bad)
		}
	}
	gone := filepath.Join(dir, "gone")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), gone); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(gone, false); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("a link that leads nowhere: %v", err)
	}
}

// One run at a time, whichever way a second one comes.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.jsonl")
	f, err := Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	second := func(when string) {
		t.Helper()
		var got []int
		_, replace := Create(path, true)
		_, _, resume := numbers.Resume(path, reader(&got))
		save := Save(path, atomicfile.Options{Force: true}, slices.Values([]any{head}))
		for how, err := range map[string]error{"replace": replace, "resume": resume, "save": save} {
			if !errors.Is(err, filelock.ErrBusy) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s %s: %v", how, when, err)
			}
		}
	}
	second("before the header")
	add(t, f, head)
	second("after the header")
	add(t, f, 1)
	second("after a record")
	var got []int
	if torn, err := numbers.Read(path, reader(&got)); err != nil || torn || !slices.Equal(got, []int{1}) {
		t.Errorf("reading beside a run: %v %v", got, err)
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if f, err = Create(path, false); err != nil {
		t.Fatal(err)
	}
	closed(t, f)
}

func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.jsonl")
	lines := slices.Values([]any{head, 1, 2})
	if err := Save(path, atomicfile.Options{}, lines); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, atomicfile.Options{}, lines); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("over a file: %v", err)
	}
	if err := Save(path, atomicfile.Options{Force: true}, slices.Values([]any{head, func() {}})); err == nil {
		t.Error("a function was written")
	}
	var got []int
	if torn, err := numbers.Read(path, reader(&got)); err != nil || torn || !slices.Equal(got, []int{1, 2}) {
		t.Errorf("%v %v %v", got, torn, err)
	}
}

// A journal gives back what was added, under its own key only.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.journal")
	j, parts, err := ResumeJournal(path, "k")
	if err != nil || len(parts) != 0 {
		t.Fatal(parts, err)
	}
	if err := CheckJournal(path); err != nil {
		t.Errorf("without parts: %v", err)
	}
	if _, err := CreateJournal(path, "k"); !errors.Is(err, filelock.ErrBusy) {
		t.Errorf("a second run: %v", err)
	}
	for _, part := range []string{"one", "two"} {
		if err := j.Add(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, path); got != "{\"retcon_journal\":1,\"key\":\"k\"}\n\"one\"\n\"two\"\n" {
		t.Errorf("%q", got)
	}
	if _, _, err := ResumeJournal(path, "other"); !errors.Is(err, ErrOtherRun) {
		t.Errorf("another key: %v", err)
	}
	if err := CheckJournal(path); !errors.Is(err, ErrKept) {
		t.Errorf("with parts: %v", err)
	}
	put(t, path, contents(t, path)+"\"thr")
	if j, parts, err = ResumeJournal(path, "k"); err != nil || fmt.Sprintf("%s", parts) != `["one" "two"]` {
		t.Fatalf("%s %v", parts, err)
	}
	j.Close()
	if j, err = CreateJournal(path, "l"); err != nil {
		t.Fatal(err)
	}
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// What is no journal is neither read nor replaced, but for an empty file.
func TestNoJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	for _, text := range []string{"notes", "notes\nmore\n", "{\"retcon_journal\":1", "{\"retcon_journal\":9,\"key\":\"k\"}\n", "{\"retcon_journal\":1,\"key\":\"k\"}\n{\n"} {
		put(t, path, text)
		_, _, resume := ResumeJournal(path, "k")
		_, create := CreateJournal(path, "k")
		for _, err := range []error{resume, create, CheckJournal(path)} {
			if !errors.Is(err, ErrNotJournal) {
				t.Errorf("%q: %v", text, err)
			}
		}
		if contents(t, path) != text {
			t.Errorf("%q was changed", text)
		}
	}
	put(t, path, "")
	if err := CheckJournal(path); err != nil {
		t.Error(err)
	}
	j, _, err := ResumeJournal(path, "k")
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
}
