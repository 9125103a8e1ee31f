package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/pflag"

	"retcon/eval"
	"retcon/fact"
	"retcon/internal/input"
)

// scoreFlags are what bench and eval have in common: what is scored, on which
// metrics, and where results go.
type scoreFlags struct {
	n, from  int
	shard    shardFlag
	zsre     string
	stages   []string
	snippets string
	text     string
	tokens   int

	output, format string
	resume, force  bool
}

func (f *scoreFlags) recordFlags(fs *pflag.FlagSet) {
	f.zsre = string(fact.Alternative)
	fs.IntVarP(&f.n, "records", "n", 0, "score so many records; 0 is all")
	fs.IntVar(&f.from, "from", 0, "first record, counted from 0")
	fs.Var(&f.shard, "shard", "of these records every Nth from the Ith on: part I of N")
	fs.Var(choice{&f.zsre, []string{string(fact.Alternative), string(fact.Gold)}}, "zsre-target", "answer of a zsRE record: the changed one, or the true one as in the papers")
}

func (f *scoreFlags) metricFlags() *pflag.FlagSet {
	fs := newFlagSet("metrics")
	fs.StringSliceVar(&f.stages, "metrics", []string{"likelihood", "match", "text"}, "`likelihood,match,fluency,text,chat`: what is measured; all is all but chat")
	fs.Var(text{&f.snippets, "FILE"}, "snippets", "reference texts (attribute_snippets.json), for the consistency of generated ones")
	fs.Var(text{&f.text, "FILE"}, "text", "text for perplexity and KL (default: one on everyday matters)")
	fs.IntVar(&f.tokens, "text-tokens", 512, "tokens of it that are used")
	return fs
}

func (f *scoreFlags) resultFlags() *pflag.FlagSet {
	f.format = "md"
	fs := newFlagSet("results")
	fs.VarP(text{&f.output, "FILE"}, "output", "o", "write results there as they come, as JSON lines")
	fs.BoolVar(&f.resume, "resume", false, "go on with the results in that file")
	fs.BoolVar(&f.force, "force", false, "replace that file")
	fs.Var(choice{&f.format, []string{"md", "csv", "json", "jsonl", "sql"}}, "format", "how the summary is printed; --json is json")
	return fs
}

// check finds what is wrong with the flags before anything is read.
func (f *scoreFlags) check(flags *pflag.FlagSet, json bool) error {
	switch {
	case f.n < 0 || f.from < 0:
		return usagef("--records %d, --from %d: not below 0", f.n, f.from)
	case f.tokens < 2:
		return usagef("--text-tokens %d: at least 2", f.tokens)
	case f.resume && f.output == "":
		return usagef("--resume goes on with a file: name it with -o FILE")
	case f.resume && f.force:
		return usagef("--resume and --force exclude each other: one keeps the file, one replaces it")
	case json && flags.Changed("format") && f.format != "json":
		return usagef("--json and --format %s exclude each other", f.format)
	}
	return nil
}

// task reads what is to be scored; c says of which command, and the records.
func (f *scoreFlags) task(c eval.TaskConfig, in *input.Inputs, r *readingFlags) (*eval.Task, error) {
	c.Literal, c.Join = r.literal, r.joint()
	var err error
	if c.Stages, err = eval.ParseStages(f.stages); err != nil {
		return nil, err
	}
	if f.text != "" {
		if c.Text, err = readText(in, f.text); err != nil {
			return nil, err
		}
	}
	c.Answers, c.From, c.N, c.Shard = fact.Answers(f.zsre), f.from, f.n, f.shard.Shard
	c.TextFile, c.TextTokens, c.Snippets = f.text, f.tokens, f.snippets
	c.Open = in.Open
	return eval.NewTask(c)
}

// results opens the file of results, if one is asked for.
func (f *scoreFlags) results() (*eval.Results, error) {
	switch {
	case f.output == "":
		return eval.MemoryResults(), nil
	case f.resume:
		return eval.ResumeResults(f.output)
	}
	r, err := eval.CreateResults(f.output, f.force)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w; --resume goes on with it, --force replaces it", err)
	}
	return r, err
}
