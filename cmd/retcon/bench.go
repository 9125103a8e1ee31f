package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"retcon/engine"
	"retcon/eval"
	"retcon/internal/atomicfile"
)

const benchExamples = `  retcon bench -m model.gguf --data counterfact.json -n 100
      edits, scores and restores 100 records one after the other, and prints the table of the paper

  retcon bench -m model.gguf --data counterfact.json -n 1000 --shard 1/4 -o part1.jsonl --resume
      the first of four parts, which goes on where it was interrupted

  retcon bench --merge part*.jsonl --format csv
      joins the parts

  retcon bench -m model.gguf --data counterfact.json -n 100 --method tpatcher --sequential -o survival.jsonl
      edits 100 records one after the other in one model, then says how many facts are still told

  retcon bench -m a.gguf,b.gguf --data zsre.json -n 50 --layer 3,5,7 --covariance full,identity
      every combination`

func (a *app) benchCommand(common *pflag.FlagSet, f *benchFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench -m MODEL --data RECORDS [-n N] [-o RESULTS.jsonl]",
		Short: "Score edits on CounterFact or zsRE",
		Long: "Score edits: each record of a data set is edited in memory, scored and restored, and the means are printed\n" +
			"beside those of the unedited model. Nothing is written but results.",
		Example:               benchExamples,
		DisableFlagsInUseLine: true,
	}
	groups := []group{
		{"What to score", f.dataFlags()},
		{"Metrics", f.score.metricFlags()},
		{"Results", f.score.resultFlags()},
		{"How to edit", f.methodFlags()},
		{"T-Patcher", f.patchFlags()},
		{"Key statistics", f.statsFlags()},
		{"Running the model", f.edit.engine.set()},
	}
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.flags)
	}
	setHelp(cmd, append(groups, group{"Output", common})...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.bench(cmd.Context(), cmd.Flags(), f, args) }
	return cmd
}

// bench runs the command.
func (a *app) bench(ctx context.Context, flags *pflag.FlagSet, f *benchFlags, args []string) error {
	if err := f.check(flags, args, a.json); err != nil {
		return err
	}
	if f.merge {
		return a.mergeFiles(ctx, f, args)
	}
	if err := a.checkFiles(f); err != nil {
		return err
	}
	f.edit.in = a.inputs
	_, warnings, err := f.edit.hyperparameters(flags)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		a.log.Warn(w)
	}
	task, err := f.score.task(eval.TaskConfig{Command: "bench", Data: f.data}, a.inputs, &f.edit.reading)
	if err != nil {
		return err
	}
	if err := a.spool(ctx, &f.edit); err != nil {
		return err
	}
	if err := a.checkInputs(f); err != nil {
		return err
	}
	if err := f.checkModels(flags); err != nil {
		return err
	}
	unused, err := f.unused(flags)
	if err != nil {
		return err
	}
	a.notUsed(unused)
	options, err := f.edit.engine.options(ctx, a.inputs)
	if err != nil {
		return err
	}
	options.KeepCopies = true
	r, err := a.runner(&f.score, task)
	if err != nil {
		return err
	}
	defer r.Results.Close()
	for _, path := range f.models.paths {
		if err := a.benchModel(ctx, flags, f, r, path, options); err != nil {
			return err
		}
	}
	return a.finish(&f.score, r.Results.Series())
}

// benchModel runs every combination on one model.
func (a *app) benchModel(ctx context.Context, flags *pflag.FlagSet, f *benchFlags, r *eval.Runner, path string, o engine.Options) error {
	m, err := engine.Open(ctx, path, o)
	if err != nil {
		return err
	}
	defer m.Close()
	ways, err := f.ways(flags, m.Info())
	if err != nil {
		return err
	}
	s := &eval.Sweep{
		Runner: r, Model: m, Machine: machine(m.Info().Threads), As: f.as, Sequential: f.sequential, Batch: f.batch,
		Open: func(ctx context.Context, path string) (eval.Model, error) { return engine.Open(ctx, path, o) },
	}
	if len(f.models.paths) > 1 {
		s.Name = filepath.Base(path)
	}
	if s.Facts, err = eval.FactsOf(path, m.Info()); err != nil {
		return err
	}
	for _, w := range ways {
		s.Ways = append(s.Ways, func(ctx context.Context) (eval.Editor, error) {
			return a.editor(ctx, f, w, m, o)
		})
	}
	return s.Run(ctx)
}

// mergeFiles joins files of results.
func (a *app) mergeFiles(ctx context.Context, f *benchFlags, paths []string) error {
	if err := a.checkFiles(merging{&f.score, paths}); err != nil {
		return err
	}
	paths, err := a.filesOf(ctx, paths)
	if err != nil {
		return err
	}
	all, err := eval.MergeResults(paths)
	if err != nil {
		return err
	}
	if f.score.output != "" {
		opts := atomicfile.Options{Force: f.score.force}
		if err := eval.WriteResults(f.score.output, opts, all); err != nil {
			return err
		}
	}
	return a.finish(&f.score, all)
}
