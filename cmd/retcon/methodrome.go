package main

import (
	"path/filepath"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/lm"
)

func romeEntry() methodEntry {
	return methodEntry{
		name: rome.Name, about: "changes a matrix", clashes: []string{"steps", "lr"},
		check: func(*editFlags) error { return nil },
		make: func(f *editFlags, flags *pflag.FlagSet) (edit.Method, []string, error) {
			h, warnings, err := f.hyperparameters(flags)
			m := rome.Method{HParams: h}
			if f.layer.trace {
				m.Locate = tracedLayer(h.Seed, f.report)
			}
			return m, warnings, err
		},
		sweep:      romeWays,
		checkBench: func(*benchFlags, *pflag.FlagSet) error { return nil },
	}
}

// hyperparameters are the defaults, changed by the file, changed by the flags.
func (f *editFlags) hyperparameters(flags *pflag.FlagSet) (h rome.HParams, warnings []string, err error) {
	if f.hyper == nil {
		if f.hyper, err = f.readHyper(); err != nil {
			return h, nil, err
		}
	}
	h, warnings = f.hyper.h, f.hyper.warnings
	for name, set := range map[string]func(){
		"steps":        func() { h.Steps = f.h.Steps },
		"stop-loss":    func() { h.StopLoss = f.h.StopLoss },
		"stop-nll":     func() { h.StopNLL = f.h.StopNLL },
		"optimizer":    func() { h.Optimizer = f.h.Optimizer },
		"max-step":     func() { h.MaxStep = f.h.MaxStep },
		"rows":         func() { h.StepRows = f.h.StepRows },
		"lr":           func() { h.LR = f.h.LR },
		"kl-factor":    func() { h.KLFactor = f.h.KLFactor },
		"kl-position":  func() { h.KLPosition = f.h.KLPosition },
		"weight-decay": func() { h.WeightDecay = f.h.WeightDecay },
		"clamp":        func() { h.Clamp = f.h.Clamp },
		"denominator":  func() { h.Denominator = f.h.Denominator },
		"seed":         func() { h.Seed = f.h.Seed },
		"chat":         func() { h.Chat = chatKind(f.chat) },
		"covariance":   func() { h.Covariance = covariance.Kind(f.covariance) },
		"layer":        func() { h.Layers, h.Auto = f.layer.list, f.layer.auto },
	} {
		if flags.Changed(name) {
			set()
		}
	}
	switch {
	case !flags.Changed("lr"):
	case !flags.Changed("optimizer"):
		h.Optimizer = rome.Adam // what else it would be the rate of
	case h.Optimizer != rome.Adam:
		return h, nil, usagef("--lr has no effect on --optimizer %s; --max-step has", h.Optimizer)
	}
	if f.prefixes != "" {
		h.Prefixes = f.hyper.prefixes
	}
	return h, warnings, nil
}

// hyperFiles are the files of --hparams and --prefixes, which are read once:
// bench wants hyper-parameters for each of its models.
type hyperFiles struct {
	h        rome.HParams
	warnings []string
	prefixes []string
}

func (f *editFlags) readHyper() (*hyperFiles, error) {
	out := &hyperFiles{h: rome.DefaultHParams()}
	if f.hparams != "" {
		file, err := f.in.Open(f.hparams)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if out.h, out.warnings, err = rome.ReadHParams(file, out.h); err != nil {
			return nil, named(f.hparams, err)
		}
	}
	if f.prefixes != "" {
		var err error
		if out.prefixes, err = f.readPrefixes(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readPrefixes reads the file of --prefixes.
func (f *editFlags) readPrefixes() ([]string, error) {
	file, err := f.in.Open(f.prefixes)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	out, err := contexts.ParsePrefixes(file, !f.reading.noEscape)
	return out, named(f.prefixes, err)
}

// romeWays are all combinations of layers, covariances, keys and conversations.
// Keys make no difference where none are used.
func romeWays(f *benchFlags, flags *pflag.FlagSet, info lm.Info) ([]way, error) {
	h, _, err := f.edit.hyperparameters(flags)
	if err != nil {
		return nil, err
	}
	var out []way
	for _, layer := range f.layers.of(info, h) {
		if layer >= info.Layers {
			return nil, usagef("--layer %d: %s has layers 0 to %d", layer, filepath.Base(info.Path), info.Layers-1)
		}
		for _, kind := range f.covariances {
			keys := f.keys
			if kind == string(covariance.KindIdentity) {
				keys = []float64{covariance.EnoughKeys}
			}
			if layer == info.Layers-1 && f.needsKeys(kind) {
				return nil, usagef("--layer %d: the last layer computes its keys only where logits are read, so that their covariance cannot be taken: choose a layer before it, or --covariance identity", layer)
			}
			for _, k := range keys {
				for _, chat := range f.chats {
					h := h
					h.Layers, h.Auto, h.Covariance = []int{layer}, false, covariance.Kind(kind)
					if f.chatAsked {
						h.Chat = chatKind(chat)
					}
					w := way{method: rome.Method{HParams: h}}
					w.keys, _ = keysPerDim(k)
					out = append(out, w)
				}
			}
		}
	}
	return out, nil
}

// needsKeys: the covariance of the layer's keys over a text is taken.
func (f *benchFlags) needsKeys(kind string) bool {
	given := kind == string(covariance.KindDiagonal) && f.edit.imatrix != ""
	return kind != string(covariance.KindIdentity) && !given
}

// of are the layers of a model. All are all but the last, whose keys a decode
// computes only where logits are read, so that C of them cannot be taken.
func (l *layerList) of(info lm.Info, h rome.HParams) []int {
	switch {
	case l.all:
		var out []int
		for n := range max(1, info.Layers-1) {
			out = append(out, n)
		}
		return out
	case len(l.list) > 0:
		return l.list
	case len(h.Layers) > 0:
		return h.Layers
	}
	return []int{rome.DefaultLayer(info.Arch, info.Layers)}
}

// romeFlags are the hyper-parameters; other methods take some of them over.
func (f *editFlags) romeFlags(fs *pflag.FlagSet) {
	f.h = rome.DefaultHParams()
	h := &f.h
	f.covariance = string(h.Covariance)
	fs.Var(&f.layer, "layer", "layer to edit, from 0; auto tries several, trace takes the one with the largest FFN effect at the subject (default: by the model's depth)")
	fs.IntVar(&h.Steps, "steps", h.Steps, "optimisation steps, at most")
	fs.Float64Var(&h.StopNLL, "stop-nll", h.StopNLL, "stop when the mean -log p of the target over a step's prompts, in nats, is below X")
	fs.Float64Var(&h.StopLoss, "stop-loss", h.StopLoss, "stop when the whole loss is below X")
	fs.Var(choice{&h.Optimizer, []string{rome.Polyak, rome.Adam}}, "optimizer", "polyak needs fewer steps; adam is the original's")
	fs.Float64Var(&h.MaxStep, "max-step", h.MaxStep, "longest step of polyak, relative to the value's norm")
	fs.IntVar(&h.StepRows, "rows", h.StepRows, "prompts in a step, those with prefixes by turns; 0 is all")
	fs.Float64Var(&h.LR, "lr", h.LR, "learning rate of adam, which it implies, and of tpatcher")
	fs.Float64Var(&h.KLFactor, "kl-factor", h.KLFactor, "weight of the KL divergence that keeps what else the model says of the subject")
	fs.Var(choice{&h.KLPosition, []string{rome.KLSubject, rome.KLEnd}}, "kl-position", "where that is measured: at the subject's last token, or after \"is a\"")
	fs.Float64Var(&h.WeightDecay, "weight-decay", h.WeightDecay, "weight of the penalty on the size of the change")
	fs.Float64Var(&h.Clamp, "clamp", h.Clamp, "largest change of the value, relative to its norm")
	fs.Var(choice{&h.Denominator, []string{rome.Consistent, rome.Original}}, "denominator", "consistent is r-ROME's; original is for comparison")
	fs.Var(text{&f.prefixes, "FILE"}, "prefixes", "texts to put before the prompt, one a line, instead of sampled ones")
	chatFlag(fs, &f.chat)
	fs.Var(text{&f.hparams, "FILE"}, "hparams", "hyper-parameters of kmeng01/rome (JSON) or EasyEdit (YAML); flags take precedence")
	fs.Uint64VarP(&h.Seed, "seed", "s", h.Seed, "seed of all that is sampled")
	fromEnvironment(fs, "seed", "RETCON_SEED")
}
