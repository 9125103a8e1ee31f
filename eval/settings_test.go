package eval

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/edit/tpatcher"
	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/fakemodel"
)

// benchSettings are what a bench knows before there are edits.
func benchSettings() Settings {
	return Settings{
		Command: "bench", Model: Facts{File: "m.gguf", Print: "12ab", Arch: "llama", Type: "Q4_K", Bytes: 7, Params: 5, Layers: 30, Width: 576},
		As: AsAdapter, Data: Source{File: "cf.json", Sum: "34cd"}, Records: 100, ZsRE: "true", Stages: []Stage{Likelihood, Match},
		Text: &Source{File: "t", Sum: "56"}, TextTokens: 512,
	}
}

func editedBy(t *testing.T, e edit.Settings) Settings {
	t.Helper()
	s := benchSettings()
	if err := s.SetEdit(e); err != nil {
		t.Fatal(err)
	}
	return s
}

// prefixes have characters that JSON for web pages escapes.
var prefixes = []string{"In short. ", "a < b & c. "}

func romeSettings() edit.Settings {
	h := rome.DefaultHParams()
	h.Layers, h.Prefixes, h.Chat, h.Seed = []int{5}, prefixes, "turn", 3
	return edit.Settings{Method: rome.Name, Layer: 5, Seed: 3, HParams: h, Covariance: "full", KeysPerDim: 2, Tensor: "Q4_K",
		Stats: &covariance.Stats{Kind: covariance.KindFull, Source: "corpus", Cached: true, Made: covariance.Made{Keys: 3072, Ridge: 1e-8, Shrinkage: 0.01}}}
}

func tpatcherSettings() edit.Settings {
	own := tpatcher.PatchSettings{Config: tpatcher.DefaultConfig(), Memory: "789a", Texts: prefixes}
	own.Queries = 16000
	return edit.Settings{Method: tpatcher.Name, Layer: 29, Seed: 3, HParams: own.Config, Own: own}
}

// Runs keep the ids that earlier versions gave them, so that results of those go
// on and merge.
func TestRunIDsStay(t *testing.T) {
	s := editedBy(t, romeSettings())
	s.Batch = 4
	if id := NewRun(s, Machine{}).ID; id != "9c2ad4134c635f3b" {
		t.Errorf("rome: %s", id)
	}
	s = editedBy(t, tpatcherSettings())
	s.Sequence = true
	if id := NewRun(s, Machine{}).ID; id != "ee56387fa1b1990d" {
		t.Errorf("tpatcher: %s", id)
	}
	h := rome.DefaultHParams()
	h.Layers, h.PrefixLengths, h.Covariance = []int{1}, [][2]int{{4, 2}, {7, 2}}, covariance.KindIdentity
	cfg := edit.Config{Model: fakemodel.Write(t, gguf.F32), Quantizer: fakemodel.Quantizer{}, Method: rome.Method{HParams: h}}
	e, err := edit.NewEditor(t.Context(), fakemodel.New(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if id := NewRun(editedBy(t, e.Settings()), Machine{}).ID; id != "a9c97983b48519b5" {
		t.Errorf("rome's own settings: %s", id)
	}
}

// Settings of either method are the same after a file of results.
func TestSettingsInResults(t *testing.T) {
	for _, e := range []edit.Settings{romeSettings(), tpatcherSettings()} {
		want := Series{Run: NewRun(editedBy(t, e), Machine{})}
		path := filepath.Join(t.TempDir(), "results.jsonl")
		if err := WriteResults(path, atomicfile.Options{}, []Series{want}); err != nil {
			t.Fatal(err)
		}
		got, err := ReadResults(path)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if d := cmp.Diff(want.Run, got[0].Run); d != "" {
			t.Errorf("%s (-written +read)\n%s", e.Method, d)
		}
		if again := NewRun(got[0].Run.Settings, Machine{}); again.ID != want.Run.ID {
			t.Errorf("%s: %s becomes %s", e.Method, want.Run.ID, again.ID)
		}
	}
	rows := map[string]string{"rome": "rome, chat turn", "tpatcher": "tpatcher"}
	for _, e := range []edit.Settings{romeSettings(), tpatcherSettings()} {
		if s := editedBy(t, e); s.method() != rows[e.Method] {
			t.Errorf("%s is shown as %q", e.Method, s.method())
		}
	}
}
