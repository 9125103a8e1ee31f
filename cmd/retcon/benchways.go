package main

import (
	"context"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/engine"
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

// editor readies a way on an open model.
func (a *app) editor(ctx context.Context, f *benchFlags, w way, m *engine.Model, o engine.Options) (*edit.Editor, error) {
	cfg := edit.Config{Model: m.Info().Path, Method: w.method, Material: f.edit.material(), Version: version}
	cfg.KeysPerDim = w.keys
	a.connect(&cfg, o, a.log)
	return edit.NewEditor(ctx, m, cfg)
}
