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
			h, warnings, err := f.hyperparameters(flags) // the seed and the prefixes may stand in a file
			return tpatcher.Method{Config: f.patches(flags), Seed: h.Seed, Texts: h.Prefixes}, warnings, err
		},
		sweep: func(f *benchFlags, flags *pflag.FlagSet, _ lm.Info) ([]way, error) {
			h, _, err := f.edit.hyperparameters(flags)
			m := tpatcher.Method{Config: f.edit.patches(flags), Seed: h.Seed, Texts: h.Prefixes}
			return []way{{method: m}}, err
		},
		checkBench: func(f *benchFlags) error {
			switch {
			case f.batch > 1:
				return usagef("--batch takes 1 or more edits of rome on the unedited model: it goes with neither tpatcher nor --sequential")
			case slices.Contains(f.as, eval.AsBaked):
				return usagef("--as baked writes a file for each edit of rome: it goes with neither tpatcher nor --sequential")
			}
			return nil
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
