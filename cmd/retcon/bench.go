package main

import (
	"context"
	"fmt"
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
		return a.mergeFiles(f, args)
	}
	_, warnings, err := f.edit.hyperparameters(flags)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		a.log.Warn(w)
	}
	t, err := f.score.task("bench", f.data)
	if err != nil {
		return err
	}
	options, err := f.edit.engine.options(ctx)
	if err != nil {
		return err
	}
	options.KeepCopies = true
	r := &results{path: f.score.output}
	if r.log, r.before, err = f.score.results(); err != nil {
		return err
	}
	defer r.log.Close()
	for _, path := range f.models {
		if err := a.benchModel(ctx, flags, f, r, t, path, options); err != nil {
			return err
		}
	}
	return a.finish(&f.score, r.series)
}

// sweep is one model of a bench.
type sweep struct {
	*benchFlags
	task  *task
	path  string
	model *engine.Model
	facts eval.Facts
	text  *eval.Text
	bases map[int]*eval.Result

	options engine.Options
}

// benchModel runs every combination on one model.
func (a *app) benchModel(ctx context.Context, flags *pflag.FlagSet, f *benchFlags, r *results, t *task, path string, o engine.Options) error {
	m, err := engine.Open(ctx, path, o)
	if err != nil {
		return err
	}
	defer m.Close()
	s := &sweep{benchFlags: f, task: t, path: path, model: m, bases: map[int]*eval.Result{}, options: o}
	if s.facts, err = factsOf(path, m.Info()); err != nil {
		return err
	}
	var ways []way
	for _, name := range f.methods {
		more, err := methodNamed(name).sweep(f, flags, m.Info())
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		ways = append(ways, more...)
	}
	if s.text, err = a.textOf(ctx, t, m); err != nil {
		return err
	}
	defer s.text.Close()
	for _, w := range ways {
		if err := a.benchEdits(ctx, s, r, w); err != nil {
			return err
		}
	}
	return nil
}

// mergeFiles joins files of results.
func (a *app) mergeFiles(f *benchFlags, paths []string) error {
	var all []eval.Series
	for _, path := range paths {
		s, err := eval.ReadLog(path)
		if err != nil {
			return err
		}
		all = append(all, s...)
	}
	all = eval.Merge(all)
	if f.score.output != "" {
		opts := atomicfile.Options{Force: f.score.force, Inputs: paths}
		if err := eval.WriteLog(f.score.output, opts, all); err != nil {
			return err
		}
	}
	return a.finish(&f.score, all)
}
