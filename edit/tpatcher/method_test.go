package tpatcher

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// Settings are written as earlier versions wrote them, with the size that the
// memory has where none is asked for.
func TestSettings(t *testing.T) {
	w := &work{cfg: Config{}.orDefaults(), seed: 3, key: "789a", prefixes: []string{"In short. "}, site: lm.Network{Layer: 29, Width: 576}}
	s := w.Settings()
	const want = `{"Alpha":1,"Beta":10,"BetaMargin":-3,"GammaMargin":-3,"Form":"exp-topk","TopK":1000,"KeySteps":150,"Steps":80,"LR":0.02,` +
		`"Threshold":0.7,"StopNLL":0.05,"Queries":16000,"Contrast":true,"Prefixes":[[5,4],[10,4]],"Widen":"all","Slots":"new","Pad":0,"Remove":"",` +
		`"memory":"789a","prefix_texts":["In short. "]}`
	if b, err := json.Marshal(s.Own); err != nil || string(b) != want {
		t.Errorf("%s\ninstead of\n%s, %v", b, want, err)
	}
	if h, ok := s.HParams.(Config); !ok || h.Queries != 0 || s.Method != "tpatcher" || s.Layer != 29 || s.Seed != 3 || s.Stats != nil || s.Tensor != "" || s.Covariance != "" {
		t.Errorf("%+v", s)
	}
	if c := (Config{Options: Options{Form: Hinge}}).orDefaults(); c.Steps != 0 {
		t.Error("what is given is not taken as it is")
	}
}

// A model whose last feed-forward network cannot be reached is refused before
// anything is computed.
func TestOpenRefuses(t *testing.T) {
	cfg := edit.Config{Model: fakemodel.Write(t, gguf.F32), Open: fakemodel.Open, Quantizer: fakemodel.Quantizer{},
		Requests: []fact.Request{fakemodel.Eiffel}, Method: Method{}}
	if _, err := edit.Run(t.Context(), cfg); !errors.Is(err, lm.ErrUnsupported) || !strings.Contains(err.Error(), "architecture fake") {
		t.Errorf("a model that cannot be patched: %v", err)
	}
	cfg.Output = t.TempDir() + "/out.gguf"
	if _, err := edit.Remove(t.Context(), cfg, Last); err == nil {
		t.Error("neurons are taken out of a file that has none")
	}
}
