package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/engine"
	"retcon/fact"
	"retcon/internal/input"
	"retcon/internal/textfile"
)

// config makes the configuration of an edit of the flags and the files that
// they name. The warnings are for the user.
func (f *editFlags) config(flags *pflag.FlagSet, in *input.Inputs) (cfg edit.Config, warnings []string, err error) {
	f.in = in
	if f.model == "" {
		return cfg, nil, usagef("no model: name a GGUF file with -m FILE (or LLAMA_ARG_MODEL)")
	}
	if f.statsTime <= 0 {
		return cfg, nil, usagef("--stats-time must be above 0, as in 10m or 90s")
	}
	if f.textTokens < 2 {
		return cfg, nil, usagef("--text-tokens %d: at least 2", f.textTokens)
	}
	cfg = edit.Config{
		Model: f.model, Output: f.output, LoRA: f.lora, Force: f.force, KeepGoing: f.keepGoing, Resume: f.resume,
		Material: f.material(), Version: version, TextTokens: f.textTokens,
	}
	for _, q := range f.ask {
		cfg.Ask = append(cfg.Ask, f.reading.text(q))
	}
	if cfg.KeysPerDim, err = keysPerDim(f.keys); err != nil {
		return cfg, nil, err
	}
	m := methodNamed(f.method)
	if err := m.check(f); err != nil {
		return cfg, nil, err
	}
	if err := foreignFlags(flags, f.method); err != nil {
		return cfg, nil, err
	}
	if cfg.Method, warnings, err = m.make(f, flags); err != nil || f.remove != "" {
		return cfg, warnings, err
	}
	warnings = append(warnings, f.reading.warnings(append([]string{f.prompt, f.subject, f.target}, f.ask...)...)...)
	if f.resume && (f.output == "" && f.lora == "" || f.requests == "") {
		return cfg, nil, usagef("--resume goes on with the --requests of a run that was to write -o or --lora")
	}
	if cfg.Requests, err = f.facts(flags); err != nil {
		return cfg, nil, err
	}
	if f.text != "" {
		if cfg.Text, err = readText(f.in, f.text); err != nil {
			return cfg, nil, err
		}
	}
	return cfg, warnings, nil
}

// material is what statistics are made from.
func (f *editFlags) material() edit.Material {
	return edit.Material{Corpus: f.corpus, Imatrix: f.imatrix, StatsTime: f.statsTime, CacheDir: f.cacheDir}
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

// facts are the requests, from the file or from the three flags.
func (f *editFlags) facts(flags *pflag.FlagSet) ([]fact.Request, error) {
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
	case f.requests != "":
		rs, err := readRequests(f.in, f.requests, f.keepGoing)
		for i := range rs {
			f.reading.request(&rs[i])
		}
		return rs, err
	case len(missing) > 0:
		return nil, usagef("%s missing: an edit needs -p PROMPT, --subject and --target, or --requests FILE", strings.Join(missing, " and "))
	}
	r := fact.Request{Prompt: f.reading.text(f.prompt), Subject: f.reading.text(f.subject), TargetNew: f.reading.text(f.target)}
	f.reading.request(&r)
	return []fact.Request{r}, nil
}

// readRequests reads the file of --requests; with keepGoing records that cannot
// be used are among them, as such.
func readRequests(in *input.Inputs, path string, keepGoing bool) ([]fact.Request, error) {
	parse := fact.ParseRequests
	if keepGoing {
		parse = fact.ParseEach
	}
	file, err := in.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rs, err := parse(file)
	return fact.From(input.Name(path), rs), named(path, err)
}

// mostText bounds what is read of a text.
const mostText = 1 << 20

// readText reads the beginning of a text file.
func readText(in *input.Inputs, path string) (string, error) {
	file, err := in.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := textfile.Limited(file, mostText)
	if err != nil {
		return "", named(path, err)
	}
	if strings.TrimSpace(text) == "" {
		return "", usagef("%s: there is no text in it", input.Name(path))
	}
	return text, nil
}

// named puts the name of an input before an error.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", input.Name(path), err)
}

// connect gives an edit its engine, and its voice.
func (a *app) connect(cfg *edit.Config, o engine.Options, log *slog.Logger) {
	cfg.Open, cfg.Quantizer = engine.Opener(o), engine.Quantizer{}
	cfg.Logger = log
	if !a.quiet {
		cfg.Progress = a.bar.Update
	}
}
