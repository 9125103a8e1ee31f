package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/engine"
	"retcon/eval"
	"retcon/lm"
)

// way is one way to make edits.
type way struct {
	method string
	keys   float64 // a dimension; 0 is the default
	h      edit.HParams
}

// ways are all combinations on a model. Layers that it has not, or whose keys
// cannot be had, are refused.
func (f *benchFlags) ways(info lm.Info, h edit.HParams) ([]way, error) {
	layers := f.layers.of(info, h)
	for _, l := range layers {
		if l >= info.Layers {
			return nil, usagef("--layer %d: %s has layers 0 to %d", l, filepath.Base(info.Path), info.Layers-1)
		}
	}
	ways := f.combinations(layers, h)
	for _, w := range ways {
		if last := info.Layers - 1; f.needsKeys(w) && w.h.Layers[0] == last {
			return nil, usagef("--layer %d: the last layer computes its keys only where logits are read, so that their covariance cannot be taken: choose a layer before it, or --covariance identity", last)
		}
	}
	return ways, nil
}

// combinations are those of layers and flags. Keys make no difference where none
// are used.
func (f *benchFlags) combinations(layers []int, h edit.HParams) []way {
	var out []way
	patched := false
	for _, layer := range layers {
		for _, kind := range f.covariances {
			keys := f.keys
			if kind == string(covariance.KindIdentity) {
				keys = []float64{covariance.EnoughKeys}
			}
			for _, k := range keys {
				for _, method := range f.methods {
					for _, chat := range f.chats {
						w := way{method: method, h: h}
						w.keys, _ = keysPerDim(k)
						w.h.Layers, w.h.Auto, w.h.Covariance = []int{layer}, false, covariance.Kind(kind)
						if f.chatAsked {
							w.h.Chat = chatKind(chat)
						}
						if method == edit.MethodTPatcher && patched {
							continue // it has one layer and no covariance
						}
						patched = patched || method == edit.MethodTPatcher
						out = append(out, w)
					}
				}
			}
		}
	}
	return out
}

// needsKeys: the covariance of the layer's keys over a text is taken.
func (f *benchFlags) needsKeys(w way) bool {
	given := w.h.Covariance == covariance.KindDiagonal && f.edit.imatrix != ""
	return w.method == edit.MethodROME && w.h.Covariance != covariance.KindIdentity && !given
}

// editor readies a way on the model of a file, which stays open.
func (a *app) editor(ctx context.Context, f *benchFlags, w way, path string, m *engine.Model, o engine.Options) (eval.Editor, error) {
	cfg := edit.Config{
		Model: path, Method: w.method, Patch: f.edit.patch, HParams: w.h, Corpus: f.edit.corpus, KeysPerDim: w.keys, Imatrix: f.edit.imatrix,
		StatsTime: f.edit.statsTime, CacheDir: f.edit.cacheDir, Version: version,
	}
	a.connect(&cfg, o, a.log)
	open := cfg.Open
	cfg.Open = func(ctx context.Context, name string, adapters ...string) (lm.Model, error) {
		if name == path {
			return shared{m}, nil
		}
		return open(ctx, name, adapters...)
	}
	e, err := edit.NewEditor(ctx, cfg)
	return editor{e, w}, err
}

// shared is a model that several editors use one after the other.
type shared struct{ *engine.Model }

// Close leaves the model open.
func (shared) Close() error { return nil }

// editor is edit's, as scoring sees it.
type editor struct {
	*edit.Editor
	way
}

// Apply applies edits to the editor's model.
func (e editor) Apply(edits ...*edit.Computed) error { return edit.Apply(e.Model(), edits...) }

// Settings are what decides the edits.
func (e editor) Settings() (json.RawMessage, error) {
	own := struct {
		Method     string              `json:"method"`
		Layer      int                 `json:"layer"`
		Covariance covariance.Kind     `json:"covariance,omitempty"`
		Keys       float64             `json:"keys_per_dimension,omitempty"`
		Stats      *edit.Stats         `json:"stats,omitempty"`
		HParams    *edit.HParams       `json:"hyperparameters,omitempty"`
		Tensor     string              `json:"tensor_type,omitempty"`
		Patch      *edit.PatchSettings `json:"tpatcher,omitempty"`
	}{Method: e.method, Layer: e.Layer(), Patch: e.Patch()}
	if own.Patch == nil {
		stats, params := e.Stats(), e.HParams()
		own.Covariance, own.Keys, own.Stats, own.HParams, own.Tensor = stats.Kind, e.keys, &stats, &params, e.TensorType().String()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // as files of results have it
	err := enc.Encode(own)
	return b.Bytes(), err
}
