package main

import (
	"context"
	"errors"
	"fmt"

	"retcon/engine"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/filelock"
	"retcon/trace"
	"retcon/trace/average"
	"retcon/trace/hypothesis"
	"retcon/trace/result"
)

// interruptedAverage is an interruption that left results to go on with.
type interruptedAverage struct {
	error
	path        string
	done, total int
}

func (e interruptedAverage) Unwrap() error { return e.error }

func (e interruptedAverage) Error() string {
	return fmt.Sprintf("interrupted; %s has %d of %d facts, and the same command with --resume goes on", e.path, e.done, e.total)
}

// averageRun is a run over the facts of a file.
type averageRun struct {
	*traceFlags
	all     []average.Fact // of the file
	text    string         // of --text
	files   *pictureFiles
	model   *engine.Model
	hider   *trace.Hider
	results *average.Results
}

// average traces facts, or the rest of them, and prints the averages.
func (a *app) average(ctx context.Context, f *traceFlags) error {
	r := &averageRun{traceFlags: f}
	var err error
	if out := f.averages.output; out != "" {
		// The results have a lock of their own once they are open, which takes
		// a model.
		lock, err := filelock.TakeName(out)
		if errors.Is(err, filelock.ErrBusy) {
			return err
		}
		defer lock.Close()
	}
	if r.all, err = a.facts(f.averages.requests); err != nil {
		return err
	}
	if err := f.checkSwaps(r.all); err != nil {
		return err
	}
	if r.text, err = f.readText(a.inputs); err != nil {
		return err
	}
	if r.files, err = f.pictures.create(); err != nil {
		return err
	}
	defer r.files.abort()
	options, err := f.engine.options(ctx, a.inputs)
	if err != nil {
		return err
	}
	if options.Profile, err = a.startProfile(f.engine.profile, f.pictures.force); err != nil {
		return err
	}
	if err := a.checkInputs(f); err != nil {
		return err
	}
	if r.model, err = engine.Open(ctx, f.model, options); err != nil {
		return err
	}
	defer r.model.Close()
	if r.hider, err = f.corruption.hider(ctx, r.model, r.all, int64(f.engine.memory)); err != nil {
		return err
	}
	if err := r.openResults(); err != nil {
		return err
	}
	defer r.results.Close()
	facts := r.all
	if n := f.averages.limit; n > 0 {
		facts = facts[:min(n, len(facts))]
	}
	facts = average.ShardOf(f.averages.shard.Shard, facts)
	if len(facts) == 0 {
		return usagef("--shard %v has none of the facts: there are too few", f.averages.shard)
	}
	if err := a.traceFacts(ctx, r, facts); err != nil {
		return err
	}
	return a.reportAverage(r.results, r.files, f, f.averages.output != "")
}

// checkSwaps finds facts without the subject that is to be swapped in.
func (f *traceFlags) checkSwaps(facts []average.Fact) error {
	if !f.corruption.swaps() || !f.traces() {
		return nil
	}
	for _, fact := range facts {
		if fact.SubjectSwap == "" {
			return usagef("%s: record %d has no subject_swap: --corrupt swap takes the other subject from there", f.averages.requests, fact.Record)
		}
	}
	return nil
}

// traceFacts traces the facts that have no results.
func (a *app) traceFacts(ctx context.Context, r *averageRun, facts []average.Fact) error {
	done := 0
	progress := func(n, total int, newest *average.Record) {
		done = n
		if newest != nil && newest.Status == average.Failed {
			a.log.Warn(fmt.Sprintf("record %d failed: %s", newest.Record, newest.Error))
		}
		if !a.quiet {
			a.bar.Update("tracing facts", int64(n), int64(total))
		}
	}
	tracer := r.tracer(r.model)
	defer tracer.Close()
	err := average.Run(ctx, facts, r.results, r.experiment(tracer).Tracer(r.model), progress)
	a.bar.Close()
	if err == nil {
		err = r.results.Close()
	}
	if output := r.averages.output; err != nil && ctx.Err() != nil && output != "" {
		return interruptedAverage{err, output, done, len(facts)}
	}
	return err
}

// experiment is what is done with each fact.
func (r *averageRun) experiment(tracer *trace.Tracer) (x average.Experiment) {
	x.Literal = r.reading.literal
	if r.traces() {
		x.Trace = func(ctx context.Context, p fact.Prompt, swap string) (*result.Trace, error) {
			cfg, _, err := r.hider.Config(r.config(), p, swap)
			if err != nil {
				return nil, err
			}
			return tracer.Run(ctx, p, cfg)
		}
	}
	if r.traceFlags.hypothesis {
		tester := r.tester()
		x.Test = func(ctx context.Context, p fact.Prompt) (average.Finding, error) { return tester.Run(ctx, p) }
	}
	return x
}

// settings are what the results depend on.
func (r *averageRun) settings() (average.Settings, error) {
	print, err := gguf.FingerprintFile(r.model.Info().Path)
	c := &r.corruption
	s := average.Settings{
		Model: print, Facts: average.Digest(r.all), Layers: r.model.Info().Layers, Kinds: r.kinds, Sever: r.sever, Corruption: r.hider.Name(),
		Noise: r.hider.Figure, NoiseFrom: r.hider.From, Samples: c.samples, Window: r.window, Seed: c.seed, Literal: r.reading.literal,
	}
	switch {
	case !r.traces():
		s.Corruption, s.Noise, s.NoiseFrom, s.Samples, s.Seed = noCorruption, 0, "", 0, 0
	case c.swaps():
		s.Samples, s.Seed = 1, 0
	}
	if r.approx {
		s.Approx, s.ApproxSteps, s.Refine = true, r.approxSteps, r.refine
	}
	if r.hypothesis {
		s.Hypothesis = hypothesis.TextName(r.text)
	}
	return s, err
}

// noCorruption is the corruption where nothing is traced.
const noCorruption = "none"

// openResults starts the results, or goes on with those that are there.
func (r *averageRun) openResults() error {
	settings, err := r.settings()
	if err != nil {
		return err
	}
	v := &r.averages
	h := average.Header{Model: r.traceFlags.model, Requests: v.requests, Facts: len(r.all), Shard: v.shard.Shard, Settings: settings}
	if v.output == "" {
		r.results = average.Memory(h)
		return nil
	}
	if v.resume {
		r.results, err = average.Resume(v.output, h)
		return err
	}
	r.results, err = average.Create(v.output, h, atomicfile.Options{Force: r.pictures.force})
	if errors.Is(err, atomicfile.ErrExists) {
		err = fmt.Errorf("%w (--resume goes on with it, --force replaces it)", err)
	}
	return err
}

// mergeResults joins results of shards and prints their averages.
func (a *app) mergeResults(ctx context.Context, f *traceFlags) error {
	v := &f.averages
	files, err := f.pictures.create()
	if err != nil {
		return err
	}
	defer files.abort()
	parts, err := a.filesOf(ctx, v.merge.paths)
	if err != nil {
		return err
	}
	results, err := average.Merge(parts)
	if err != nil {
		return err
	}
	for _, path := range results.Torn {
		a.log.Warn(a.inputs.Named(path) + " was interrupted while writing: its last line is left out")
	}
	if v.output != "" {
		if err := results.Save(v.output, atomicfile.Options{Force: f.pictures.force}); err != nil {
			return err
		}
	}
	return a.reportAverage(results, files, f, true)
}
