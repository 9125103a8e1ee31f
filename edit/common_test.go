package edit_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"retcon/edit"
	"retcon/edit/rome"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/internal/neutral"
	"retcon/lm"
)

// testCfg is a configuration whose method, where none is named, is ROME with
// these hyper-parameters.
type testCfg struct {
	edit.Config
	HParams rome.HParams
	Locate  edit.Locator
}

func (c testCfg) config() edit.Config {
	if c.Method == nil {
		c.Method = rome.Method{HParams: c.HParams, Locate: c.Locate}
	}
	return c.Config
}

func testHParams() rome.HParams {
	h := rome.DefaultHParams()
	h.PrefixLengths = [][2]int{{4, 2}, {7, 2}}
	h.Layers = []int{1}
	h.Clamp, h.LR = 3.5, 2 // the fake takes more to persuade than a language model
	return h
}

// testConfig is a run that edits the middle layer of the fake.
func testConfig(t *testing.T, typ gguf.Type) testCfg {
	t.Helper()
	corpus := filepath.Join(t.TempDir(), "corpus.txt")
	if err := os.WriteFile(corpus, []byte(neutral.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	return testCfg{
		Config: edit.Config{
			Model: fakemodel.Write(t, typ), Open: fakemodel.Open, Quantizer: fakemodel.Quantizer{},
			Requests: []fact.Request{fakemodel.Eiffel}, Version: "test", Text: neutral.Paragraphs()[0],
			Material: edit.Material{Corpus: corpus, CacheDir: t.TempDir(), StatsKeys: 400},
		},
		HParams: testHParams(),
	}
}

func (c testCfg) run(t *testing.T) (*edit.Result, error) {
	t.Helper()
	return edit.Run(t.Context(), c.config())
}

func mustRun(t *testing.T, cfg testCfg) *edit.Result {
	t.Helper()
	res, err := cfg.run(t)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// editor is an Editor on the fake, and the fake.
func (c testCfg) editor(t *testing.T) (*edit.Editor, *fakemodel.Model) {
	t.Helper()
	m := openFake(t, c.Model)
	e, err := edit.NewEditor(t.Context(), m, c.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e, m
}

func openFake(t *testing.T, path string) *fakemodel.Model {
	t.Helper()
	m, err := fakemodel.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*fakemodel.Model)
}

// updateOf is ROME's update of an edit.
func updateOf(c *edit.Computed) lm.Update { return c.Change.(*rome.Rank).Update }

// updates are those of the edits that were carried out.
func updates(res *edit.Result) []lm.Update {
	var out []lm.Update
	for _, e := range res.Edits {
		if c := e.Computed(); c != nil && e.Error == "" {
			out = append(out, updateOf(c))
		}
	}
	return out
}

func openFile(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func nan() float64 { return math.NaN() }
