package average

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/internal/shard"
	"retcon/internal/testfile"
)

func TestParseFacts(t *testing.T) {
	ours := `{"prompt": "{} is in ", "subject": " The Tower", "answer": "Paris "}
{"id": "b", "prompt": "The Tower is in", "subject": "Tower", "more": [1]}
{"prompt": "{} is in", "subject": "x", "subject_swap": " z "}`
	known := `[{"known_id": 7, "subject": "A B", "attribute": "c", "template": "{} is", "prompt": "A B is the", "prediction": " c"},
{"known_id": 8, "subject": "x", "attribute": "c", "template": "x and {} are", "prompt": "x and x are"},
{"known_id": "k", "subject": "y", "attribute": "c", "template": "{} is"}]`
	for _, c := range []struct {
		text string
		want []Fact
	}{
		{ours, []Fact{{1, "", "{} is in", "The Tower", "Paris", ""}, {2, "b", "The Tower is in", "Tower", "", ""}, {3, "", "{} is in", "x", "", "z"}}},
		{"\ufeff [" + strings.ReplaceAll(ours, "\n", ",") + "]", []Fact{{1, "", "{} is in", "The Tower", "Paris", ""}, {2, "b", "The Tower is in", "Tower", "", ""}, {3, "", "{} is in", "x", "", "z"}}},
		{known, []Fact{{1, "7", "A B is the", "A B", "c", ""}, {2, "8", "x and {x} are", "x", "c", ""}, {3, "k", "{} is", "y", "c", ""}}},
	} {
		got, err := ParseFacts(strings.NewReader(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
}

// What is read for edits is read here; the answer is the one that is to change.
func TestParseOtherForms(t *testing.T) {
	text := `{"requested_rewrite": [{"prompt": "The {} is in", "subject": "Tower", "target_new": {"str": "Rome"}, "target_true": {"str": "Paris"}}, {"prompt": "{} speaks", "subject": "Dan", "target_new": {"str": "x"}}]}
{"src": "where is x?", "subject": "x", "alt": "a", "answers": ["b", "c"]}
{"id": 3, "prompt": "{} is", "subject": "x", "target": "y", "answer": null}`
	want := []Fact{{1, "", "The {} is in", "Tower", "Paris", ""}, {2, "", "{} speaks", "Dan", "", ""}, {3, "", "where is x?", "x", "b", ""}, {4, "3", "{} is", "x", "", ""}}
	got, err := ParseFacts(strings.NewReader(text))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
}

func TestParseFactsErrors(t *testing.T) {
	good := `{"prompt": "a b", "subject": "b"}` + "\n"
	for text, want := range map[string]string{
		"":                                     "no records in it",
		"[]":                                   "no records in it",
		good + `{"prompt": "a b"}`:             "record 2: bad request: it has no `subject`",
		good + `{"subject": "b"}`:              "record 2: bad request: it has no `prompt` (nor `template`)",
		good + `{"prompt": 3, "subject": "b"}`: "record 2: bad request: `prompt` is the number 3: write it as the text",
		good + `{"prompt": "a b", "subject": "b", "answer": {"x": 1}}`:        "record 2: bad request: `answer` is a record without `str`",
		good + `{"prompt": "a c", "subject": "b"}`:                            `record 2: bad request: the subject "b" is not in the prompt`,
		good + `{"prompt": "b b", "subject": "b"}`:                            "record 2: bad request: the subject \"b\" is in the prompt more than once",
		good + `{"prompt": "{} {}", "subject": "b"}`:                          "record 2: bad request: the prompt \"{} {}\" has more than one {}",
		good + `{"prompt": "a \u0000b", "subject": "b"}`:                      "record 2: bad request: `prompt` holds a zero byte",
		good + `{"prompt": "b", "subject": "b", "subject_swap": "b"}`:         "record 2: bad request: its subject_swap is its subject",
		good + `{"id": {}, "prompt": "b", "subject": "b"}`:                    "record 2: bad request: `id` is a record",
		good + `{"prompt": "a`:                                                "record 2: bad request: it is not a JSON record",
		good + "3":                                                            "record 2: bad request: it is the number 3 where a record",
		"[" + good:                                                            "without its ]",
		"plain text":                                                          "record 1: bad request: it is not a JSON record",
		`{"subject": "b", "prompt": "b` + strings.Repeat("x", longest) + `"}`: "record 1: bad request: its prompt has",
	} {
		_, err := ParseFacts(strings.NewReader(text))
		if !errors.Is(err, ErrFacts) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "f.json")
	os.WriteFile(path, []byte("x"), 0o666)
	if _, err := ReadFacts(path); err == nil || !strings.HasPrefix(err.Error(), path) {
		t.Errorf("the file is not named: %v", err)
	}
}

// The file that the averages of the paper are over.
func TestKnown(t *testing.T) {
	facts, err := ReadFacts(testfile.DataSet(t, "known-1000.json"))
	if err != nil || len(facts) != 1209 {
		t.Fatalf("%d facts, %v", len(facts), err)
	}
	if d := cmp.Diff(Fact{1, "0", "Vinson Massif is located in the continent of", "Vinson Massif", "Antarctica", ""}, facts[0]); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestRight(t *testing.T) {
	for _, c := range []struct {
		answer, first, continuation string
		want                        bool
	}{
		{"Paris", " Paris", " Paris. It", true},
		{"Paris", " Rome", " Rome", false},
		{"Paris", " the", " the city of Paris", false},
		{"Los Angeles", " Los", " Los Angeles,", true},
		{"Los Angeles", " Los", " Los Alamos", false},
		{"Antwerp", " Ant", " Antwerpen", false},
		{"Antwerp", " Ant", " Antwerp", true},
		{"Antwerp", " Ant", " Antwer", false},
		{"", " anything", " anything at all", true},
		{"", "", "", false},
		{"Paris", "\n", "\nParis", false},
		{"C++", " C", " C++17", true},
		{"罗马", "罗", "罗马城", true}, // no spaces tell where a word ends
	} {
		if got := Right(c.answer, c.first, c.continuation); got != c.want {
			t.Errorf("%q, %q, %q: %v", c.answer, c.first, c.continuation, got)
		}
	}
}

func TestShards(t *testing.T) {
	facts := make([]Fact, 10)
	for i := range facts {
		facts[i].Record = i + 1
	}
	times := map[int]int{}
	for i := 1; i <= 3; i++ {
		for _, f := range ShardOf(shard.Shard{I: i, N: 3}, facts) {
			times[f.Record]++
		}
	}
	for _, f := range facts {
		if times[f.Record] != 1 {
			t.Errorf("fact %d is in %d shards", f.Record, times[f.Record])
		}
	}
}

func TestDigest(t *testing.T) {
	a := []Fact{{1, "", "a b", "b", "c", ""}}
	same := []Fact{{1, "", "a b", "b", "c", ""}}
	b := []Fact{{1, "", "a b", "b", "d", ""}}
	if Digest(a) != Digest(same) || Digest(a) == Digest(b) || Digest(a) == Digest(nil) {
		t.Error("digests")
	}
}
