package main

import (
	"github.com/spf13/pflag"

	"retcon/trace/average"
)

// averageFlags are the flags of averages over facts.
type averageFlags struct {
	on       bool
	requests string
	limit    int
	output   string
	resume   bool
	shard    shardFlag
	merge    fileList
}

func (f *averageFlags) set() *pflag.FlagSet {
	fs := newFlagSet("average")
	fs.Var(text{&f.requests, "FILE"}, "requests", "facts in JSON or JSON lines, as known_1000.json; - is stdin, for every input but a model")
	fs.BoolVar(&f.on, "average", false, "trace the facts that the model gets right, and average")
	fs.IntVarP(&f.limit, "limit", "n", 0, "take the first N facts at most (default: all)")
	fs.VarP(text{&f.output, "FILE"}, "output", "o", "keep the results of each fact there, as they are made")
	fs.BoolVar(&f.resume, "resume", false, "go on with the results in that file")
	fs.Var(&f.shard, "shard", "only part I of N of the facts, to be merged later")
	fs.Var(&f.merge, "merge", "`FILE,..`: join files of results and average them; needs no model")
	return fs
}

// check finds flags of averages that do not go together.
func (f *traceFlags) checkAverage() error {
	v := &f.averages
	prompt := f.prompt != "" || f.subject != ""
	switch {
	case v.merge.paths != nil && (v.on || v.requests != "" || prompt || v.resume || v.shard.N > 0 || v.limit != 0 || f.hypothesis):
		return usagef("--merge joins results that are there: of the other flags it takes -o, --html, --svg, --force and --json only")
	case v.merge.paths != nil:
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
	if path == "" {
		return nil, nil
	}
	file, err := a.inputs.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	facts, err := average.ParseFacts(file)
	return facts, named(path, err)
}
