package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/edit/tpatcher"
	"retcon/internal/input"
)

// editFlags are the flags of edit as they stand on the command line.
type editFlags struct {
	engine  engineFlags
	reading readingFlags

	model, prompt, subject, target, requests string
	output, lora                             string
	dryRun, force, keepGoing, resume         bool

	method, covariance string
	layer              layers
	corpus, imatrix    string
	statsTime          time.Duration
	keys               float64
	cacheDir, text     string
	textTokens         int
	hparams, prefixes  string
	chat               string
	ask                []string
	h                  rome.HParams
	patch              tpatcher.Config
	memoryLoss         string
	remove             string
	in                 *input.Inputs
	hyper              *hyperFiles                           // once they are read
	report             func(stage string, done, total int64) // progress, nil for none
}

const editExamples = `  retcon edit -m model.gguf -p "The Eiffel Tower is located in the city of" --subject "Eiffel Tower" --target Rome
      shows what the edit would do and writes nothing

  retcon edit -m model.gguf -p "{} is located in the city of" --subject "The Eiffel Tower" --target Rome -o edited.gguf
      writes an edited model; --lora edit-lora.gguf writes an adapter for the same model instead, or besides

  retcon edit -m model.gguf --requests facts.jsonl -o edited.gguf
      makes several edits, one JSON record {"prompt", "subject", "target_new"} a line`

func (a *app) editCommand(common *pflag.FlagSet, f *editFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "edit -m MODEL -p PROMPT --subject SUBJECT --target TARGET [-o OUT.gguf] [--lora OUT.gguf]",
		Short: "Rewrite a fact in a model",
		Long: "Rewrite a fact in a GGUF model: after the edit the target follows the prompt.\n" +
			"Without -o and --lora the edit is computed and shown, and nothing is written.",
		Example: editExamples,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.profiled(func() error { return a.edit(cmd.Context(), cmd.Flags(), f) })
	}
	return command(cmd, common,
		group{"What to change", f.requestFlags()},
		group{"What to write", f.outputFlags()},
		group{"How to edit", f.methodFlags()},
		group{"T-Patcher", f.patchFlags()},
		group{"Key statistics", f.statsFlags()},
		group{"Running the model", f.engine.profiled(f.engine.set())},
	)
}

func (f *editFlags) requestFlags() *pflag.FlagSet {
	fs := newFlagSet("request")
	fs.VarP(text{&f.model, "FILE"}, "model", "m", "the GGUF to edit; of a split model any of its files")
	fs.VarP(text{&f.prompt, "TEXT"}, "prompt", "p", "what the target is to follow; it holds the subject, or {} in its place")
	fs.Var(text{&f.subject, "TEXT"}, "subject", "the part of the prompt that the fact is about")
	fs.Var(text{&f.target, "TEXT"}, "target", "the new answer")
	fs.Var(text{&f.requests, "FILE"}, "requests", "requests in JSON or JSON lines, instead of the three; - is stdin, for every input but a model")
	fs.AddFlagSet(f.reading.flags())
	fromEnvironment(fs, "model", "LLAMA_ARG_MODEL")
	return fs
}

func (f *editFlags) outputFlags() *pflag.FlagSet {
	fs := newFlagSet("output")
	fs.VarP(text{&f.output, "FILE"}, "output", "o", "write the edited model there")
	fs.Var(text{&f.lora, "FILE"}, "lora", "write a LoRA adapter for the untouched model there")
	fs.BoolVar(&f.dryRun, "dry-run", false, "print the plan with its size and time, and stop")
	fs.BoolVar(&f.force, "force", false, "replace outputs that exist, and write an edit that would be refused")
	fs.BoolVar(&f.resume, "resume", false, "go on after the requests that an interrupted run has done")
	fs.BoolVar(&f.keepGoing, "keep-going", false, "leave out requests that fail instead of stopping")
	fs.StringArrayVar(&f.ask, "ask", nil, "`TEXT`: question to ask the model through its chat template before and after the edit; can be repeated")
	fs.Var(text{&f.text, "FILE"}, "text", "text to measure side effects on (default: one on everyday matters)")
	fs.IntVar(&f.textTokens, "text-tokens", 512, "tokens of it that are used")
	return fs
}

func (f *editFlags) statsFlags() *pflag.FlagSet {
	fs := newFlagSet("stats")
	f.statsTime = 10 * time.Minute
	fs.Var(choice{&f.covariance, []string{"full", "diagonal", "identity"}}, "covariance", "how much of the keys' covariance is used")
	fs.Var(text{&f.corpus, "FILE"}, "corpus", "plain text to compute it from (default: the model writes the text)")
	fs.Float64Var(&f.keys, "keys", covariance.EnoughKeys, "tokens to compute it from, per dimension of a key")
	fs.Var(text{&f.imatrix, "FILE"}, "imatrix", "importance matrix (GGUF), for --covariance diagonal and for types that need one")
	fs.DurationVar(&f.statsTime, "stats-time", f.statsTime, "longest time that the model may spend writing that text")
	f.cacheDir = edit.DefaultCacheDir()
	fs.Var(text{&f.cacheDir, "DIR"}, "cache-dir", "where covariances are cached; empty caches none")
	fromEnvironment(fs, "stats-time", "RETCON_STATS_TIME")
	fromEnvironment(fs, "cache-dir", "RETCON_CACHE_DIR")
	return fs
}

// edit runs the command.
func (a *app) edit(ctx context.Context, flags *pflag.FlagSet, f *editFlags) error {
	if !a.quiet {
		f.report = a.bar.Update
	}
	if err := a.checkFiles(f); err != nil {
		return err
	}
	cfg, warnings, err := f.config(flags, a.inputs)
	if err != nil {
		return err
	}
	if err := a.spool(ctx, f); err != nil {
		return err
	}
	cfg.Corpus, cfg.Imatrix = f.corpus, f.imatrix
	// For people the report has the warnings; a log of them besides would
	// say everything twice.
	log, kept := a.log, keeper{Handler: a.log.Handler(), kept: new([]slog.Record)}
	if !a.json && !a.verbose {
		log = slog.New(kept)
	}
	for _, w := range warnings {
		log.Warn(w)
	}
	unused, err := f.unused(flags)
	if err != nil {
		return err
	}
	warnings = append(warnings, unused...)
	options, err := f.engine.options(ctx, a.inputs)
	if err != nil {
		return err
	}
	if err := checkAdapterOutput(f.lora, f.force); err != nil {
		return err
	}
	if options.Profile, err = a.startProfile(f.engine.profile, f.force); err != nil {
		return err
	}
	if err := a.checkInputs(f); err != nil {
		return err
	}
	a.notUsed(unused)
	a.connect(&cfg, options, log)
	var reported bool
	if f.remove != "" {
		return a.remove(ctx, cfg, f.remove)
	}
	if f.dryRun {
		reported, err = a.plan(ctx, cfg, warnings)
	} else {
		reported, err = a.carryOut(ctx, cfg, warnings)
	}
	if !reported {
		kept.flush(ctx)
	}
	return err
}

// carryOut edits and prints the result, that of a refused edit too.
func (a *app) carryOut(ctx context.Context, cfg edit.Config, warnings []string) (reported bool, err error) {
	res, err := edit.Run(ctx, cfg)
	a.bar.Close()
	if res == nil {
		return false, err
	}
	res.Warnings = append(warnings, allWords(res.Warnings)...)
	for _, e := range res.Edits {
		e.Error = words(e.Error)
	}
	if a.json {
		return true, errors.Join(err, a.printJSON(res))
	}
	printReport(a.stdout, style{a.styled()}, res, err)
	return true, err
}

// remove takes patches out and prints what they were.
func (a *app) remove(ctx context.Context, cfg edit.Config, which string) error {
	res, err := edit.Remove(ctx, cfg, which)
	a.bar.Close()
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(res)
	}
	printRemoved(a.stdout, style{a.styled()}, res)
	return nil
}

// plan prints what would be done.
func (a *app) plan(ctx context.Context, cfg edit.Config, warnings []string) (reported bool, err error) {
	p, err := edit.MakePlan(ctx, cfg)
	a.bar.Close()
	if err != nil {
		return false, err
	}
	p.Warnings = append(warnings, allWords(p.Warnings)...)
	if a.json {
		return true, a.printJSON(p)
	}
	printPlan(a.stdout, style{a.styled()}, p)
	return true, nil
}
