package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/eval"
	"retcon/fact"
	"retcon/internal/neutral"
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
	fs.StringSliceVar(&f.stages, "metrics", []string{"likelihood", "match", "text"}, "what is measured, of `likelihood,match,fluency,text,chat`; all is all but chat")
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

// task is what is to be scored, read from its files.
type task struct {
	records  []fact.Record
	stages   []eval.Stage
	snippets *eval.Snippets
	text     string
	settings eval.Settings // those of the files
}

// task reads the files that the flags name; data has the records.
func (f *scoreFlags) task(command, data string) (*task, error) {
	stages, err := eval.ParseStages(f.stages)
	if err != nil {
		return nil, err
	}
	all, err := fact.ReadRecords(data, fact.Answers(f.zsre))
	if err != nil {
		return nil, err
	}
	from, err := source(data)
	if err != nil {
		return nil, err
	}
	return f.taskOf(command, stages, all, from)
}

// recordedTask scores what a file says it was edited with.
func (f *scoreFlags) recordedTask(command, path string) (*task, error) {
	stages, err := eval.ParseStages(f.stages)
	if err != nil {
		return nil, err
	}
	requests, err := edit.RecordedRequests(path)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(requests)
	if err != nil {
		return nil, err
	}
	return f.taskOf(command, stages, fact.RecordsOf(requests), eval.Source{File: filepath.Base(path), Sum: digest(text)})
}

// taskOf takes the records that are asked for out of all, which are from data.
func (f *scoreFlags) taskOf(command string, stages []eval.Stage, all []fact.Record, data eval.Source) (*task, error) {
	t := &task{stages: stages}
	var err error
	if t.records, err = eval.Subset(all, f.from, f.n, f.shard.Shard); err != nil {
		return nil, err
	}
	if len(t.records) == 0 {
		return nil, usagef("--shard %v of so few records is empty", f.shard.Shard)
	}
	n := len(all) - f.from
	if f.n > 0 {
		n = min(n, f.n)
	}
	t.settings = eval.Settings{Command: command, Data: data, From: f.from, Records: n, Stages: t.stages}
	for _, r := range all {
		if r.Tokens {
			t.settings.ZsRE = fact.Answers(f.zsre)
		}
	}
	return t, f.texts(t)
}

// texts reads the texts that metrics need.
func (f *scoreFlags) texts(t *task) error {
	for _, stage := range t.stages {
		switch {
		case stage == eval.OnText && f.text != "":
			var err error
			if t.text, err = readText(f.text); err != nil {
				return err
			}
			t.settings.Text = &eval.Source{File: filepath.Base(f.text), Sum: digest([]byte(t.text))}
			t.settings.TextTokens = f.tokens
		case stage == eval.OnText:
			t.text = neutral.Text()
			t.settings.Text = &eval.Source{File: "built in", Sum: digest([]byte(t.text))}
			t.settings.TextTokens = f.tokens
		case stage == eval.Fluent && f.snippets != "":
			var err error
			if t.snippets, err = eval.ReadSnippets(f.snippets); err != nil {
				return err
			}
			s, err := source(f.snippets)
			if err != nil {
				return err
			}
			t.settings.Snippets = &s
		}
	}
	return nil
}

// source names a file, with its digest.
func source(path string) (eval.Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return eval.Source{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return eval.Source{}, err
	}
	return eval.Source{File: filepath.Base(path), Sum: fmt.Sprintf("%x", sum.Sum(nil))}, nil
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// results opens the file of results, if one is asked for, and what it has.
func (f *scoreFlags) results() (*eval.Log, []eval.Series, error) {
	switch {
	case f.output == "":
		return nil, nil, nil
	case f.resume:
		return eval.ResumeLog(f.output)
	}
	log, err := eval.CreateLog(f.output, f.force)
	return log, nil, err
}
