package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/engine"
	"retcon/eval"
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
	f.edit.patch = f.edit.patches(flags)
	h, warnings, err := f.edit.hyperparameters(flags)
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
	r := &results{path: f.score.output}
	if r.log, r.before, err = f.score.results(); err != nil {
		return err
	}
	defer r.log.Close()
	for _, path := range f.models {
		if err := a.benchModel(ctx, f, r, t, h, path, options); err != nil {
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
	patch edit.PatchConfig
}

// benchModel runs every combination on one model.
func (a *app) benchModel(ctx context.Context, f *benchFlags, r *results, t *task, h edit.HParams, path string, o engine.Options) error {
	m, err := engine.Open(ctx, path, o)
	if err != nil {
		return err
	}
	defer m.Close()
	s := &sweep{benchFlags: f, task: t, path: path, model: m, bases: map[int]*eval.Result{}, patch: f.edit.patch}
	if s.facts, err = factsOf(path, m.Info()); err != nil {
		return err
	}
	layers := f.layers.of(m.Info(), h)
	for _, l := range layers {
		if n := m.Info().Layers; l >= n {
			return usagef("--layer %d: %s has layers 0 to %d", l, filepath.Base(path), n-1)
		}
	}
	if s.text, err = a.textOf(ctx, t, m); err != nil {
		return err
	}
	defer s.text.Close()
	for i, layer := range layers {
		for j, kind := range f.covariances {
			for _, method := range f.methods {
				if method == edit.MethodTPatcher && i+j > 0 {
					continue // it has one layer and no covariance
				}
				h := h
				h.Layers, h.Auto, h.Covariance = []int{layer}, false, covariance.Kind(kind)
				if err := a.benchRun(ctx, s, r, method, h); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// benchRun edits and scores the records in one way.
func (a *app) benchRun(ctx context.Context, s *sweep, r *results, method string, h edit.HParams) error {
	f := &s.edit
	cfg := edit.Config{
		Model: s.path, Method: method, Patch: s.patch, HParams: h, Corpus: f.corpus, Imatrix: f.imatrix, StatsTime: f.statsTime, CacheDir: f.cacheDir, Version: version,
	}
	a.connect(&cfg, engine.Options{}, a.log)
	cfg.Open = func(context.Context, string, ...string) (edit.Model, error) { return shared{s.model}, nil }
	editor, err := edit.NewEditor(ctx, cfg)
	if err != nil {
		return err
	}
	defer editor.Close()
	set := s.task.settings
	stats, params := editor.Stats(), editor.HParams()
	set.Model, set.Method, set.Layer, set.Covariance = s.facts, method, editor.Layer(), string(stats.Kind)
	set.HParams, set.Patch, set.Seed, set.Sequence = &params, editor.Patch(), h.Seed, s.sequential
	label := fmt.Sprintf("%s layer %d %s", method, editor.Layer(), stats.Kind)
	if set.Patch != nil {
		set.HParams, label = nil, method
	} else {
		set.Stats = &stats
	}
	if len(s.models) > 1 {
		label = filepath.Base(s.path) + " " + label
	}
	run := eval.NewRun(set, machine(s.model.Info().Threads))
	scorer := &eval.Scorer{Model: s.model, Stages: s.task.stages, Seed: h.Seed, Snippets: s.task.snippets, Text: s.text, Constant: s.sequential}
	if s.sequential {
		return a.sequence(ctx, r, s, run, label, &eval.Sequence{Scorer: scorer, Editor: editor, Bases: s.bases})
	}
	return a.score(ctx, r, s.task, run, label, &eval.Bench{Scorer: scorer, Editor: editor, Bases: s.bases})
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
		if err := writeSeries(f.score.output, f.score.force, all); err != nil {
			return err
		}
	}
	return a.finish(&f.score, all)
}
