package main

import (
	"slices"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/edit/tpatcher"
	"retcon/eval"
	"retcon/lm"
)

func tpatcherEntry() methodEntry {
	return methodEntry{
		name:    tpatcher.Name,
		about:   "adds neurons to the last layer, one a wrong token",
		flags:   []string{"alpha", "beta", "beta-margin", "gamma-margin", "memory-loss", "threshold", "queries", "contrast", "widen", "slots", "pad", "remove"},
		clashes: []string{"steps", "lr"},
		check: func(f *editFlags) error {
			switch {
			case f.layer.trace:
				return usagef("--layer trace is for --method rome: T-Patcher edits the last layer")
			case chatKind(f.chat) != "":
				return usagef("--chat is for --method rome")
			case f.lora != "":
				return usagef("an adapter cannot hold T-Patcher's neurons: write a model with -o instead of --lora")
			}
			return nil
		},
		make: func(f *editFlags, flags *pflag.FlagSet) (edit.Method, []string, error) {
			if err := f.patches(flags).Check(); err != nil {
				return nil, nil, err
			}
			h, warnings, err := f.hyperparameters(flags) // the seed and the prefixes may stand in a file
			return tpatcher.Method{Config: f.patches(flags), Seed: h.Seed, Texts: h.Prefixes}, warnings, err
		},
		sweep: func(f *benchFlags, flags *pflag.FlagSet, _ lm.Info) ([]way, error) {
			h, _, err := f.edit.hyperparameters(flags)
			m := tpatcher.Method{Config: f.edit.patches(flags), Seed: h.Seed, Texts: h.Prefixes}
			return []way{{method: m}}, err
		},
		checkBench: func(f *benchFlags, flags *pflag.FlagSet) error {
			switch {
			case f.batch > 1:
				return usagef("--batch takes 1 or more edits of rome on the unedited model: it goes with neither tpatcher nor --sequential")
			case slices.Contains(f.as, eval.AsBaked):
				return usagef("--as baked writes a file for each edit of rome: it goes with neither tpatcher nor --sequential")
			}
			return f.edit.patches(flags).Check()
		},
	}
}

// patches are the settings of T-Patcher.
func (f *editFlags) patches(flags *pflag.FlagSet) tpatcher.Config {
	p := f.patch
	p.Form = tpatcher.Form(f.memoryLoss)
	if flags.Changed("steps") {
		p.Steps = f.h.Steps
	}
	if flags.Changed("lr") {
		p.LR = f.h.LR
	}
	return p
}

func (f *editFlags) patchFlags() *pflag.FlagSet {
	f.patch = tpatcher.DefaultConfig()
	p := &f.patch
	f.memoryLoss = string(p.Form)
	fs := newFlagSet("patch")
	fs.Float64Var(&p.Alpha, "alpha", p.Alpha, "weight of the target's likelihood")
	fs.Float64Var(&p.Beta, "beta", p.Beta, "weight of the losses that keep it silent for other queries")
	fs.Float64Var(&p.BetaMargin, "beta-margin", p.BetaMargin, "bound that their activations should stay below")
	fs.Float64Var(&p.GammaMargin, "gamma-margin", p.GammaMargin, "the same, relative to the activation of the fact's own query")
	fs.Var(choice{&f.memoryLoss, []string{string(tpatcher.ExpTopK), string(tpatcher.Hinge), string(tpatcher.Mean)}}, "memory-loss", "form of these losses")
	fs.Float64Var(&p.Threshold, "threshold", p.Threshold, "where a neuron begins to fire: 0 at the loudest other query, 1 at its own weakest")
	fs.IntVar(&p.Queries, "queries", p.Queries, "size of the memory of other queries (default: by the model's width)")
	fs.BoolVar(&p.Contrast, "contrast", p.Contrast, "be silent for the prompt with other subjects, too")
	fs.Var(choice{&p.Widen, []string{tpatcher.WidenAll, tpatcher.WidenDeci}}, "widen", "which layers grow: all, or the last alone in a llama file written as deci")
	fs.Var(choice{&p.Slots, []string{tpatcher.SlotsNew, tpatcher.SlotsOld}}, "slots", "new neurons, or reuse the last layer's least useful ones")
	fs.Int64Var(&p.Pad, "pad", p.Pad, "neurons to add to a layer (default: the fewest that fit)")
	fs.Var(text{&f.remove, "last|N|N.M"}, "remove", "take patches out again: the last batch, edit N, or request M of it")
	return fs
}
