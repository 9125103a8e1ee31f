package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/edit/covariance"
	"retcon/edit/patch"
	"retcon/engine"
	"retcon/fact"
)

// config makes the configuration of an edit of the flags and the files that
// they name. The warnings are for the user.
func (f *editFlags) config(flags *pflag.FlagSet, stdin io.Reader) (cfg edit.Config, warnings []string, err error) {
	if f.model == "" {
		return cfg, nil, usagef("no model: name a GGUF file with -m FILE (or LLAMA_ARG_MODEL)")
	}
	if f.statsTime <= 0 {
		return cfg, nil, usagef("--stats-time must be above 0, as in 10m or 90s")
	}
	if f.textTokens < 2 {
		return cfg, nil, usagef("--text-tokens %d: at least 2", f.textTokens)
	}
	if f.output != "" && f.lora != "" && filepath.Clean(f.output) == filepath.Clean(f.lora) {
		return cfg, nil, usagef("-o and --lora both name %s: give the model and the adapter a file each", f.output)
	}
	cfg = edit.Config{
		Model: f.model, Output: f.output, LoRA: f.lora, Force: f.force, KeepGoing: f.keepGoing, Resume: f.resume,
		Corpus: f.corpus, Imatrix: f.imatrix, StatsTime: f.statsTime, CacheDir: f.cacheDir, Version: version,
		Ask: f.ask, TextTokens: f.textTokens,
	}
	if cfg.KeysPerDim, err = keysPerDim(f.keys); err != nil {
		return cfg, nil, err
	}
	if err := f.patchConfig(flags, &cfg); err != nil {
		return cfg, nil, err
	}
	if f.patch.Remove != "" {
		return cfg, nil, nil
	}
	if cfg.Requests, err = f.facts(flags, stdin); err != nil {
		return cfg, nil, err
	}
	if f.text != "" {
		if cfg.Text, err = readText(f.text); err != nil {
			return cfg, nil, err
		}
	}
	if cfg.HParams, warnings, err = f.hyperparameters(flags); f.layer.trace {
		cfg.Locate = tracedLayer(cfg.HParams.Seed, nil) // connect gives it a voice
	}
	return cfg, warnings, err
}

// keysPerDim is --keys as the configuration has it, 0 for the default.
func keysPerDim(keys float64) (float64, error) {
	if !(keys > 0 && keys <= 1e6) {
		return 0, usagef("--keys %v: give a number above 0, as in 2 or 0.5", keys)
	}
	if keys == covariance.EnoughKeys {
		return 0, nil
	}
	return keys, nil
}

// patchConfig takes over the flags of T-Patcher.
func (f *editFlags) patchConfig(flags *pflag.FlagSet, cfg *edit.Config) error {
	cfg.Method, cfg.Patch = f.method, f.patches(flags)
	if f.method == edit.MethodTPatcher {
		if f.layer.trace {
			return usagef("--layer trace is for --method rome: T-Patcher edits the last layer")
		}
		if chatKind(f.chat) != "" {
			return usagef("--chat is for --method rome")
		}
		if f.lora != "" {
			return usagef("an adapter cannot hold T-Patcher's neurons: write a model with -o instead of --lora")
		}
		if f.resume && (f.output == "" || f.requests == "") {
			return usagef("--resume goes on with the --requests of a run that was to write -o")
		}
		return nil
	}
	if f.resume {
		return usagef("--resume belongs to --method tpatcher: edits of rome are not kept before they are written")
	}
	return f.noPatchFlags(flags)
}

// patches are the settings of T-Patcher.
func (f *editFlags) patches(flags *pflag.FlagSet) edit.PatchConfig {
	p := f.patch
	p.Form = patch.Form(f.memoryLoss)
	if flags.Changed("steps") {
		p.Steps = f.h.Steps
	}
	if flags.Changed("lr") {
		p.LR = f.h.LR
	}
	return p
}

// noPatchFlags refuses flags of T-Patcher.
func (f *editFlags) noPatchFlags(flags *pflag.FlagSet) error {
	for _, name := range []string{"alpha", "beta", "beta-margin", "gamma-margin", "memory-loss", "threshold", "queries", "contrast", "widen", "slots", "pad", "remove"} {
		if flags.Changed(name) {
			return usagef("--%s belongs to --method tpatcher", name)
		}
	}
	return nil
}

// facts are the requests, from the file or from the three flags.
func (f *editFlags) facts(flags *pflag.FlagSet, stdin io.Reader) ([]fact.Request, error) {
	var given, missing []string
	for _, name := range []string{"prompt", "subject", "target"} {
		if flags.Changed(name) {
			given = append(given, "--"+name)
		} else {
			missing = append(missing, "--"+name)
		}
	}
	switch {
	case f.requests != "" && len(given) > 0:
		return nil, usagef("--requests and %s exclude each other: put the fact in the file", strings.Join(given, ", "))
	case f.requests == "-":
		rs, err := fact.ParseRequests(stdin)
		return rs, named("stdin", err)
	case f.requests != "":
		return fact.ReadRequests(f.requests)
	case len(missing) > 0:
		return nil, usagef("%s missing: an edit needs -p PROMPT, --subject and --target, or --requests FILE", strings.Join(missing, " and "))
	}
	return []fact.Request{{Prompt: f.prompt, Subject: f.subject, TargetNew: f.target}}, nil
}

// hyperparameters are the defaults, changed by the file, changed by the flags.
func (f *editFlags) hyperparameters(flags *pflag.FlagSet) (h edit.HParams, warnings []string, err error) {
	h = edit.DefaultHParams()
	if f.hparams != "" {
		file, err := os.Open(f.hparams)
		if err != nil {
			return h, nil, err
		}
		defer file.Close()
		if h, warnings, err = edit.ReadHParams(file, h); err != nil {
			return h, nil, named(f.hparams, err)
		}
	}
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
		h.Optimizer = edit.Adam // what else it would be the rate of
	case h.Optimizer != edit.Adam:
		return h, nil, usagef("--lr has no effect on --optimizer %s; --max-step has", h.Optimizer)
	}
	if f.prefixes != "" {
		file, err := os.Open(f.prefixes)
		if err != nil {
			return h, nil, err
		}
		defer file.Close()
		if h.Prefixes, err = contexts.ParsePrefixes(file); err != nil {
			return h, nil, named(f.prefixes, err)
		}
	}
	return h, warnings, nil
}

// mostText bounds what is read of a text.
const mostText = 1 << 20

// readText reads the beginning of a text file.
func readText(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, mostText))
	if err != nil {
		return "", err
	}
	text := strings.ToValidUTF8(string(b), "")
	if strings.TrimSpace(text) == "" {
		return "", usagef("%s: there is no text in it", path)
	}
	return text, nil
}

// named puts the name of a file before an error.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", path, err)
}

// connect gives an edit its engine, and its voice.
func (a *app) connect(cfg *edit.Config, o engine.Options, log *slog.Logger) {
	cfg.Open, cfg.Quantizer = engine.Opener(o), engine.Quantizer{}
	cfg.Logger = log
	if !a.quiet {
		cfg.Progress = a.bar.Update
	}
	if cfg.Locate != nil {
		cfg.Locate = tracedLayer(cfg.HParams.Seed, cfg.Progress)
	}
}
