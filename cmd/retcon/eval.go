package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/engine"
	"retcon/eval"
)

// evalFlags are the flags of eval as they stand on the command line.
type evalFlags struct {
	engine  engineFlags
	score   scoreFlags
	reading readingFlags

	model, base, requests string
	lora                  fileList
	seed                  uint64
}

const evalExamples = `  retcon eval -m edited.gguf --base model.gguf
      scores an edited file beside the one that it was made from, on the facts that it was edited with

  retcon eval -m edited.gguf --base model.gguf --requests facts.jsonl --text book.txt
      the same on other records, and on a text

  retcon eval -m model.gguf --lora edit-lora.gguf --requests counterfact.json -n 10 --metrics all
      scores a model with an adapter beside the model alone`

func (a *app) evalCommand(common *pflag.FlagSet, f *evalFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval -m MODEL [--base BASE] [--requests RECORDS] [--lora ADAPTER]",
		Short: "Score a model or an adapter as it is",
		Long: "Score a model as it is on records: how often it says what they want, in other wordings too, and what became\n" +
			"of other facts and other text.",
		Example: evalExamples,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.eval(cmd.Context(), cmd.Flags(), f) }
	return command(cmd, common,
		group{"What to score", f.dataFlags()},
		group{"Metrics", f.metricFlags()},
		group{"Results", f.score.resultFlags()},
		group{"Running the model", f.engine.conversing()},
	)
}

func (f *evalFlags) dataFlags() *pflag.FlagSet {
	fs := newFlagSet("data")
	fs.VarP(text{&f.model, "FILE"}, "model", "m", "the GGUF to score; of a split model any of its files")
	fs.Var(text{&f.base, "FILE"}, "base", "the model that it was made from, scored beside it (default with --lora: the model without it)")
	fs.Var(&f.lora, "lora", "`FILE,..`: adapters to score the model with")
	fs.Var(text{&f.requests, "FILE"}, "requests", "records of CounterFact or zsRE, or other requests, JSON or JSON lines; - is stdin, for every input but a model (default: what the file was edited with)")
	f.score.recordFlags(fs)
	fs.AddFlagSet(f.reading.recordFlags())
	fromEnvironment(fs, "model", "LLAMA_ARG_MODEL")
	return fs
}

func (f *evalFlags) metricFlags() *pflag.FlagSet {
	fs := f.score.metricFlags()
	fs.Uint64VarP(&f.seed, "seed", "s", 1, "seed of generated texts")
	fromEnvironment(fs, "seed", "RETCON_SEED")
	return fs
}

// eval runs the command.
func (a *app) eval(ctx context.Context, flags *pflag.FlagSet, f *evalFlags) error {
	if err := f.score.check(flags, a.json); err != nil {
		return err
	}
	if f.model == "" {
		return usagef("%v", errNoModel)
	}
	if err := a.checkFiles(f); err != nil {
		return err
	}
	if err := a.spooled(ctx, &f.lora); err != nil {
		return err
	}
	if f.requests == "" { // the records are in one of the files
		if err := a.checkInputs(f); err != nil {
			return err
		}
	}
	task, err := f.score.task(f.records(), a.inputs, &f.reading)
	if err != nil {
		return err
	}
	if err := a.checkInputs(f); err != nil {
		return err
	}
	a.notUsed(f.unused(flags))
	options, err := f.engine.options(ctx, a.inputs)
	if err != nil {
		return err
	}
	r, err := a.runner(&f.score, task)
	if err != nil {
		return err
	}
	defer r.Results.Close()
	if err := a.compare(ctx, f, r, options); err != nil {
		return err
	}
	return a.finish(&f.score, r.Results.Series())
}

// records are those asked for, or else the facts that the model, or its adapters,
// say they were edited with.
func (f *evalFlags) records() eval.TaskConfig {
	c := eval.TaskConfig{Command: "eval", Data: f.requests}
	switch {
	case f.requests != "":
	case len(f.lora.paths) > 0:
		c.Edited = f.lora.paths
	default:
		c.Edited = []string{f.model}
	}
	return c
}

// compare opens the models and scores them.
func (a *app) compare(ctx context.Context, f *evalFlags, r *eval.Runner, o engine.Options) error {
	warnings, err := a.checkAdapters(ctx, f)
	if err != nil {
		return err
	}
	m, err := engine.Open(ctx, f.model, o, f.lora.paths...)
	if err != nil {
		return err
	}
	defer m.Close()
	c := &eval.Comparison{Runner: r, Model: m, Machine: machine(m.Info().Threads), Seed: f.seed, Label: filepath.Base(f.model), Warnings: warnings}
	if c.Facts, err = eval.FactsOf(f.model, m.Info()); err != nil {
		return err
	}
	for _, path := range f.lora.paths {
		s, err := eval.SourceOf(path)
		if err != nil {
			return err
		}
		c.LoRA = append(c.LoRA, s)
	}
	if path := f.basePath(); path != "" {
		base, err := engine.Open(ctx, path, o)
		if err != nil {
			return err
		}
		defer base.Close()
		c.Base = base
		if c.BaseFacts, err = eval.FactsOf(path, base.Info()); err != nil {
			return err
		}
	}
	return c.Run(ctx)
}

// checkAdapters compares adapters with the model.
func (a *app) checkAdapters(ctx context.Context, f *evalFlags) ([]string, error) {
	if len(f.lora.paths) == 0 {
		return nil, nil
	}
	var progress func(done, total int64)
	if !a.quiet {
		progress = func(done, total int64) { a.bar.Update("hashing", done, total) }
	}
	warnings, err := edit.CheckAdapters(ctx, f.model, f.lora.paths, progress)
	for i, w := range warnings {
		warnings[i] = a.inputs.Named(w)
		a.log.Warn(warnings[i])
	}
	return warnings, err
}

// basePath is the base's file, empty if there is none.
func (f *evalFlags) basePath() string {
	if f.base == "" && len(f.lora.paths) > 0 {
		return f.model
	}
	return f.base
}
