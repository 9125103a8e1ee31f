package main

import (
	"context"
	"math"
	"slices"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/edit/rome"
	"retcon/edit/weight"
	"retcon/engine"
	"retcon/gguf"
	"retcon/lm"
)

// way is one way in which bench edits.
type way struct {
	method edit.Method
	keys   float64 // a dimension; 0 is the default
}

// ways are those of all methods on a model.
func (f *benchFlags) ways(flags *pflag.FlagSet, info lm.Info) ([]way, error) {
	var out []way
	for _, name := range f.methods {
		more, err := methodNamed(name).sweep(f, flags, info)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// checkModels finds, before the first of several models is loaded, what cannot
// be edited in one of them: layers that it has not, and an importance matrix that
// does not fit.
func (f *benchFlags) checkModels(flags *pflag.FlagSet) error {
	for _, path := range f.models.paths {
		if err := f.checkModel(flags, path); err != nil {
			return err
		}
	}
	return nil
}

func (f *benchFlags) checkModel(flags *pflag.FlagSet, path string) error {
	file, err := gguf.OpenAs(path, gguf.RoleModel)
	if err != nil {
		return err
	}
	defer file.Close()
	info := lm.Info{Path: path}
	info.Arch, _ = file.String("general.architecture")
	layers, err := file.Uint(info.Arch + ".block_count")
	if err != nil || layers > math.MaxInt32 {
		return nil // which llama.cpp has more to say of
	}
	info.Layers = int(layers)
	if _, err := f.ways(flags, info); err != nil {
		return err
	}
	if f.edit.imatrix == "" || !slices.Contains(f.methods, rome.Name) {
		return nil
	}
	h, _, err := f.edit.hyperparameters(flags)
	if err != nil {
		return err
	}
	return weight.CheckImatrix(f.edit.imatrix, file, f.layers.of(info, h)...)
}

// editor readies a way on an open model.
func (a *app) editor(ctx context.Context, f *benchFlags, w way, m *engine.Model, o engine.Options) (*edit.Editor, error) {
	cfg := edit.Config{Model: m.Info().Path, Method: w.method, Material: f.edit.material(), Version: version}
	cfg.KeysPerDim = w.keys
	a.connect(&cfg, o, a.log)
	return edit.NewEditor(ctx, m, cfg)
}
