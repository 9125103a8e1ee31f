package eval

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/neutral"
	"retcon/internal/shard"
)

func putFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

const fiveFacts = `{"prompt": "{} is in", "subject": "Eiffel", "target_new": "Rome", "target_true": "Paris"}
{"prompt": "{} is in", "subject": "Louvre", "target_new": "Rome", "target_true": "Paris"}
{"prompt": "{} is in", "subject": "Orsay", "target_new": "Rome", "target_true": "Paris"}
{"prompt": "{} is in", "subject": "Seine", "target_new": "Rome", "target_true": "Paris"}
{"prompt": "{} is in", "subject": "Marne", "target_new": "Rome", "target_true": "Paris"}

`

// A task has the records of its shard, and settings that are those of the whole.
func TestTask(t *testing.T) {
	path := putFile(t, "facts.jsonl", fiveFacts)
	base := TaskConfig{Command: "bench", Data: path, Answers: fact.Alternative, Stages: []Stage{Likelihood}, TextTokens: 64}
	var whole Settings
	for _, c := range []struct {
		from, n int
		shard   shard.Shard
		want    []int
	}{
		{0, 0, shard.Shard{}, []int{0, 1, 2, 3, 4}}, {0, 0, shard.Shard{I: 2, N: 2}, []int{1, 3}},
		{1, 3, shard.Shard{}, []int{1, 2, 3}}, {1, 3, shard.Shard{I: 3, N: 3}, []int{3}},
	} {
		config := base
		config.From, config.N, config.Shard = c.from, c.n, c.shard
		task, err := NewTask(config)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, r := range task.Records {
			got = append(got, r.Index)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: records %v", c, got)
		}
		id := NewRun(task.Settings, Machine{}).ID
		if c.shard.N == 0 {
			whole = task.Settings
		} else if id != NewRun(whole, Machine{}).ID {
			t.Errorf("%+v: a shard is a run of its own", c)
		}
		s := task.Settings
		if s.Command != "bench" || s.Text != nil || s.TextTokens != 0 || s.ZsRE != "" || s.Records != map[bool]int{true: 5, false: 3}[c.n == 0] || s.From != c.from {
			t.Errorf("%+v", s)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(fiveFacts))); s.Data != (Source{File: "facts.jsonl", Sum: sum}) {
			t.Errorf("%+v", s.Data)
		}
	}
	base.From, base.N, base.Shard = 0, 2, shard.Shard{I: 3, N: 3}
	if _, err := NewTask(base); !errors.Is(err, fact.ErrRequest) {
		t.Errorf("an empty shard: %v", err)
	}
	base.Data = putFile(t, "broken.jsonl", `{"prompt": "x"}`)
	if _, err := NewTask(base); !errors.Is(err, fact.ErrRequest) || !strings.HasPrefix(err.Error(), base.Data) {
		t.Errorf("a broken record: %v", err)
	}
	base.Data = "none.jsonl"
	if _, err := NewTask(base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Texts are read and named where a metric needs them, and are settings then.
func TestTaskTexts(t *testing.T) {
	snippets := `[{"relation_id": "P1", "target_id": "Q1", "samples": [{"text": "a text"}]}]`
	c := TaskConfig{Data: putFile(t, "f.jsonl", fiveFacts), Stages: Stages, TextTokens: 64, Snippets: putFile(t, "snippets.json", snippets)}
	task, err := NewTask(c)
	if err != nil {
		t.Fatal(err)
	}
	s := task.Settings
	if task.Text != neutral.Text() || s.Text.File != "built in" || s.Text.Sum != digest([]byte(task.Text)) || s.TextTokens != 64 {
		t.Errorf("the text is %+v", s.Text)
	}
	if task.Snippets == nil || *s.Snippets != (Source{File: "snippets.json", Sum: digest([]byte(snippets))}) {
		t.Errorf("the snippets are %+v", s.Snippets)
	}
	c.Text, c.TextFile = "the cat sat", "books/cat.txt"
	if task, err = NewTask(c); err != nil || task.Text != c.Text || *task.Settings.Text != (Source{File: "cat.txt", Sum: digest([]byte(c.Text))}) {
		t.Errorf("%+v, %v", task.Settings.Text, err)
	}
	c.Stages = []Stage{Match}
	id := NewRun(Settings{Data: Source{File: "x", Edited: true}}, Machine{}).ID
	if id != NewRun(Settings{Data: Source{File: "x"}}, Machine{}).ID {
		t.Error("a run of facts of a file has another id than before")
	}
	broken := c
	broken.Snippets = putFile(t, "broken.json", "{")
	if _, err := NewTask(broken); err == nil {
		t.Error("snippets that are not needed are not read")
	}
	if task, err = NewTask(c); err != nil || task.Settings.Text != nil || task.Settings.Snippets != nil || task.Text != "" || task.Snippets != nil {
		t.Errorf("texts that are not needed: %+v, %v", task, err)
	}
	if text, err := task.OnText(t.Context(), newFake(), nil); text != nil || err != nil {
		t.Errorf("%v, %v", text, err)
	}
}

// zsRE's records say which of their answers was taken.
func TestTaskZsRE(t *testing.T) {
	path := putFile(t, "z.json", `[{"src": "Where is Eiffel?", "subject": "Eiffel", "alt": "Rome", "answers": ["Paris"], "rephrase": "Eiffel is where?", "loc": "who sat", "loc_ans": "a cat"}]`)
	task, err := NewTask(TaskConfig{Data: path, Answers: fact.Gold, Stages: []Stage{Likelihood}})
	if err != nil || task.Settings.ZsRE != fact.Gold || task.Records[0].Request.TargetNew != "Paris" {
		t.Errorf("%+v, %v", task, err)
	}
}

// A file that was edited says what is to be scored.
func TestTaskOfEdited(t *testing.T) {
	b := gguf.NewBuilder()
	b.Set("general.architecture", gguf.ValueOf("llama"))
	b.Set("retcon.schema", gguf.ValueOf(uint32(1)))
	b.Set("retcon.edits", gguf.ValueOf(uint32(1)))
	requests, err := json.Marshal([]fact.Request{{Prompt: "{} is in", Subject: "Eiffel", TargetNew: "Rome"}})
	if err != nil {
		t.Fatal(err)
	}
	b.Set("retcon.edit.0.requests", gguf.ValueOf(string(requests)))
	path := filepath.Join(t.TempDir(), "edited.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	task, err := NewTask(TaskConfig{Command: "eval", Edited: []string{path}, Stages: []Stage{Match}})
	if err != nil {
		t.Fatal(err)
	}
	if len(task.Records) != 1 || task.Records[0].Request.Subject != "Eiffel" || task.Settings.Data != (Source{File: "edited.gguf", Sum: digest(requests), Edited: true}) {
		t.Errorf("%+v, %+v", task.Records, task.Settings.Data)
	}
}

// Of several adapters the facts of all are scored, each once, those made for an
// edited file among them; one that says nothing is left out.
func TestTaskOfAdapters(t *testing.T) {
	adapter := func(name string, edits int, requests ...fact.Request) string {
		b := gguf.NewBuilder()
		b.Set("general.type", gguf.ValueOf("adapter"))
		b.Set("general.architecture", gguf.ValueOf("llama"))
		if edits > 0 {
			text, err := json.Marshal(requests)
			if err != nil {
				t.Fatal(err)
			}
			b.Set("retcon.schema", gguf.ValueOf(uint32(1)))
			b.Set("retcon.edits", gguf.ValueOf(uint32(edits)))
			b.Set(fmt.Sprintf("retcon.edit.%d.requests", edits-1), gguf.ValueOf(string(text)))
		}
		var out bytes.Buffer
		if _, err := b.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		return putFile(t, name, out.String())
	}
	eiffel := fact.Request{Prompt: "{} is in", Subject: "Eiffel", TargetNew: "Rome"}
	louvre := fact.Request{Prompt: "{} is in", Subject: "Louvre", TargetNew: "Oslo"}
	one, second, foreign := adapter("one.gguf", 1, eiffel), adapter("second.gguf", 2, louvre), adapter("foreign.gguf", 0)
	for _, c := range []struct {
		files []string
		file  string
		want  int
	}{
		{[]string{second}, "second.gguf", 1},
		{[]string{one, second}, "one.gguf and second.gguf", 2},
		{[]string{one, foreign, one}, "one.gguf", 1},
	} {
		task, err := NewTask(TaskConfig{Command: "eval", Edited: c.files, Stages: []Stage{Match}})
		if err != nil || len(task.Records) != c.want || task.Settings.Data.File != c.file {
			t.Errorf("%v: %+v, %v", c.files, task, err)
			continue
		}
		s := Series{Run: Run{Settings: task.Settings, Warnings: []string{"it is another file"}}}
		s.Run.Settings.Model = Facts{File: "m.gguf"}
		notes := strings.Join(Notes([]Series{s}), "\n")
		if want := "scored on the facts of " + c.file + "\nwarning: it is another file"; notes != want {
			t.Errorf("%q instead of %q", notes, want)
		}
	}
	if _, err := NewTask(TaskConfig{Command: "eval", Edited: []string{foreign, foreign}, Stages: []Stage{Match}}); !errors.Is(err, fact.ErrRequest) {
		t.Error(err)
	}
}
