package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/engine"
	"retcon/internal/atomicfile"
	"retcon/trace"
	"retcon/trace/average"
)

// averageFlags are the flags of averages over facts.
type averageFlags struct {
	on       bool
	requests string
	limit    int
	output   string
	resume   bool
	shard    shard
	merge    []string
}

func (f *averageFlags) set() *pflag.FlagSet {
	fs := newFlagSet("average")
	fs.Var(text{&f.requests, "FILE"}, "requests", "facts in JSON or JSON lines, as known_1000.json; - is stdin")
	fs.BoolVar(&f.on, "average", false, "trace the facts that the model gets right, and average")
	fs.IntVarP(&f.limit, "limit", "n", 0, "take the first N facts at most (default: all)")
	fs.VarP(text{&f.output, "FILE"}, "output", "o", "keep the results of each fact there, as they are made")
	fs.BoolVar(&f.resume, "resume", false, "go on with the results in that file")
	fs.Var(&f.shard, "shard", "only part I of N of the facts, to be merged later")
	fs.StringSliceVar(&f.merge, "merge", nil, "join files of results and average, `FILE,..`; takes no model")
	return fs
}

// shard is a flag that is a part of the facts.
type shard struct{ average.Shard }

func (s *shard) Type() string { return "I/N" }

func (s *shard) String() string {
	if s.N == 0 {
		return ""
	}
	return s.Shard.String()
}

func (s *shard) Set(text string) (err error) {
	s.Shard, err = average.ParseShard(text)
	return err
}

// check finds flags of averages that do not go together.
func (f *traceFlags) checkAverage() error {
	v := &f.averages
	prompt := f.prompt != "" || f.subject != ""
	switch {
	case v.merge != nil && (v.on || v.requests != "" || prompt || v.resume || v.shard.N > 0 || v.limit != 0):
		return usagef("--merge joins results that are there: of the other flags it takes -o, --force and --json only")
	case f.svg != "" && (v.on || v.merge != nil):
		return usagef("--svg draws the trace of one prompt, -p; averages have no picture yet")
	case v.merge != nil:
		return nil
	case v.on && v.requests == "":
		return usagef("--average takes the facts from a file: give --requests FILE")
	case v.on && prompt:
		return usagef("--average takes prompts and subjects from --requests, not from -p and --subject")
	case v.requests != "" && !v.on && !prompt:
		return usagef("--requests: give --average to trace its facts and average, or -p and --subject to trace one prompt with the noise of its subjects")
	case !v.on && (v.output != "" || v.resume || v.shard.N > 0 || v.limit != 0):
		return usagef("-o, -n, --resume and --shard are of averages: give --requests FILE --average")
	case v.resume && v.output == "":
		return usagef("--resume goes on with a file of results: give it with -o")
	case v.limit < 0:
		return usagef("-n %d: at least 1", v.limit)
	}
	return nil
}

// facts reads --requests.
func (a *app) facts(path string) ([]average.Fact, error) {
	switch path {
	case "":
		return nil, nil
	case "-":
		facts, err := average.ParseFacts(a.stdin)
		if err != nil {
			return nil, fmt.Errorf("stdin: %w", err)
		}
		return facts, nil
	}
	return average.ReadFacts(path)
}

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

// average traces facts, or the rest of them, and prints the averages.
func (a *app) average(ctx context.Context, f *traceFlags, level trace.Level) error {
	all, err := a.facts(f.averages.requests)
	if err != nil {
		return err
	}
	options, err := f.engine.options(ctx)
	if err != nil {
		return err
	}
	m, err := engine.Open(ctx, f.model, options)
	if err != nil {
		return err
	}
	defer m.Close()
	noise, err := f.noiseLevel(ctx, m.Llama(), level, all)
	if err != nil {
		return err
	}
	results, err := f.openResults(m, all, noise)
	if err != nil {
		return err
	}
	defer results.Close()
	facts := all
	if n := f.averages.limit; n > 0 {
		facts = all[:min(n, len(all))]
	}
	facts = f.averages.shard.Of(facts)
	if len(facts) == 0 {
		return usagef("--shard %v has none of the facts: there are too few", f.averages.shard)
	}
	if err := a.traceFacts(ctx, f, m, facts, results, noise); err != nil {
		return err
	}
	return a.reportAverage(results, f.averages.output, f.averages.output != "")
}

// traceFacts traces the facts that have no results.
func (a *app) traceFacts(ctx context.Context, f *traceFlags, m *engine.Model, facts []average.Fact, results *average.Results, noise noiseLevel) error {
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
	tracer := f.tracer(m)
	defer tracer.Close()
	err := average.Run(ctx, facts, results, f.factTracer(tracer, m, noise), progress)
	a.bar.Close()
	if err == nil {
		err = results.Close()
	}
	if err != nil && ctx.Err() != nil && f.averages.output != "" {
		return interruptedAverage{err, f.averages.output, done, len(facts)}
	}
	return err
}

// openResults starts the results, or goes on with those that are there.
func (f *traceFlags) openResults(m *engine.Model, facts []average.Fact, noise noiseLevel) (*average.Results, error) {
	print, err := edit.FingerprintFile(m.Info().Path)
	if err != nil {
		return nil, err
	}
	h := average.Header{
		Model: f.model, Requests: f.averages.requests, Facts: len(facts), Shard: f.averages.shard.Shard,
		Settings: average.Settings{
			Model: print, Facts: average.Digest(facts), Layers: m.Info().Layers, Kinds: f.kinds, Sever: f.sever, Corruption: "noise",
			Noise: noise.figure, NoiseFrom: noise.from, Samples: f.samples, Window: f.window, Seed: f.seed,
		},
	}
	path := f.averages.output
	if path == "" {
		return average.Memory(h), nil
	}
	if f.averages.resume {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return average.Resume(path, h)
		}
	}
	r, err := average.Create(path, h, atomicfile.Options{Force: f.force, Inputs: []string{f.model, f.averages.requests}})
	if errors.Is(err, atomicfile.ErrExists) {
		err = fmt.Errorf("%w (--resume goes on with it, --force replaces it)", err)
	}
	return r, err
}

// mergeResults joins results of shards and prints their averages.
func (a *app) mergeResults(f *traceFlags) error {
	v := &f.averages
	results, err := average.Merge(v.merge)
	if err != nil {
		return err
	}
	for _, path := range results.Torn {
		a.log.Warn(path + " was interrupted while writing: its last line is left out")
	}
	if v.output != "" {
		if err := results.Save(v.output, atomicfile.Options{Force: f.force, Inputs: v.merge}); err != nil {
			return err
		}
	}
	return a.reportAverage(results, v.output, true)
}
