package rome_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/internal/neutral"
	"retcon/lm"
)

// The zero Method edits with the default hyper-parameters, and so does one in
// which only the layer, the prefixes, the covariance or the seed is given. What
// else is given is taken as it is.
func TestDefaults(t *testing.T) {
	corpus := filepath.Join(t.TempDir(), "corpus.txt")
	if err := os.WriteFile(corpus, []byte(neutral.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := edit.Config{
		Model: fakemodel.Write(t, gguf.F32), Open: fakemodel.Open, Quantizer: fakemodel.Quantizer{}, Requests: []fact.Request{fakemodel.Eiffel},
		Material: edit.Material{Corpus: corpus, CacheDir: t.TempDir(), StatsKeys: 400}, Force: true,
	}
	run := func(h rome.HParams) lm.Update {
		t.Helper()
		cfg.Method = rome.Method{HParams: h}
		res, err := edit.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return res.Edits[0].Computed().Change.(*rome.Rank).Update
	}
	same := func(a, b lm.Update) bool {
		return a.Layer == b.Layer && slices.Equal(a.Left, b.Left) && slices.Equal(a.Right, b.Right)
	}
	d := rome.DefaultHParams()
	if zero := run(rome.HParams{}); !same(zero, run(d)) {
		t.Error("the zero value has other hyper-parameters than the defaults")
	}
	some := rome.HParams{Layers: []int{2}, Prefixes: []string{"In short. ", "They say. "}, Covariance: covariance.KindIdentity, Seed: 7}
	d.Layers, d.Prefixes, d.Covariance, d.Seed = some.Layers, some.Prefixes, some.Covariance, some.Seed
	if got := run(some); !same(got, run(d)) || got.Layer != 2 {
		t.Error("what is given beside the defaults is not taken")
	}
	e, err := edit.NewEditor(t.Context(), fakemodel.New(), edit.Config{Model: cfg.Model, Method: rome.Method{HParams: some}, Quantizer: cfg.Quantizer})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	set := e.Settings()
	if !reflect.DeepEqual(set.HParams, d) || set.Method != "rome" || set.Layer != 2 || set.Covariance != "identity" || set.Seed != 7 || set.Own != nil {
		t.Errorf("%+v", set)
	}
	d.Steps = 0
	cfg.Method = rome.Method{HParams: d}
	if _, err := edit.Run(t.Context(), cfg); err == nil {
		t.Error("no steps are made the default")
	}
}
