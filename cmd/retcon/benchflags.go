package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"retcon/edit/covariance"
	"retcon/eval"
)

// benchFlags are the flags of bench as they stand on the command line.
type benchFlags struct {
	edit  editFlags // how to edit, and on what
	score scoreFlags

	models      fileList
	data        string
	merge       bool
	layers      layerList
	methods     []string
	covariances []string
	as          []string
	keys        []float64
	chats       []string
	chatAsked   bool
	batch       int
	sequential  bool
}

func (f *benchFlags) dataFlags() *pflag.FlagSet {
	fs := newFlagSet("data")
	fs.VarP(&f.models, "model", "m", "`FILE,..`: the GGUF to edit; several with commas")
	fs.Var(text{&f.data, "FILE"}, "data", "records of CounterFact or zsRE, or other requests, JSON or JSON lines; - is stdin, for every input but a model")
	f.score.recordFlags(fs)
	fs.AddFlagSet(f.edit.reading.flags())
	fs.BoolVar(&f.sequential, "sequential", false, "edit all records one after the other in one model, and score them after the last")
	fs.BoolVar(&f.merge, "merge", false, "join the files of results that follow, as shards make them, and print what they come to")
	fromEnvironment(fs, "model", "LLAMA_ARG_MODEL")
	return fs
}

// methodFlags are those of edit, but for the ones that take lists here.
func (f *benchFlags) methodFlags() *pflag.FlagSet {
	fs := newFlagSet("method")
	fs.StringSliceVar(&f.methods, "method", []string{"rome"}, "`rome,tpatcher`: methods of editing")
	fs.Var(&f.layers, "layer", "layers to edit one after the other, from 0, or all but the last (all; default: one, by the model's depth)")
	fs.StringSliceVar(&f.covariances, "covariance", []string{"full"}, "`full,diagonal,identity`: how much of the keys' covariance is used")
	fs.StringSliceVar(&f.as, "as", []string{eval.AsAdapter}, "`adapter,baked`: score edits as adapters in memory, in files like those of edit -o, or both")
	fs.IntVar(&f.batch, "batch", 1, "edits of rome whose values are optimised at once")
	chatAxis(fs, &f.chats)
	rest := without(without(without(f.edit.methodFlags(), "method"), "layer"), "chat")
	fs.AddFlagSet(rest)
	return fs
}

func (f *benchFlags) statsFlags() *pflag.FlagSet {
	fs := newFlagSet("stats")
	fs.Float64SliceVar(&f.keys, "keys", []float64{covariance.EnoughKeys}, "`N,..`: tokens to compute it from, per dimension of a key; several with commas")
	fs.AddFlagSet(without(without(f.edit.statsFlags(), "covariance"), "keys"))
	return fs
}

// patchFlags are those of edit, but for the ones about files.
func (f *benchFlags) patchFlags() *pflag.FlagSet {
	return without(without(without(f.edit.patchFlags(), "remove"), "widen"), "pad")
}

// check finds what is wrong with the flags before anything is read.
func (f *benchFlags) check(flags *pflag.FlagSet, args []string, json bool) error {
	if err := f.score.check(flags, json); err != nil {
		return err
	}
	switch {
	case f.merge && len(args) == 0:
		return usagef("--merge joins files of results: name them after it")
	case f.merge && (len(f.models.paths) > 0 && flags.Changed("model") || f.data != "" || f.score.resume):
		return usagef("--merge takes files of results and no -m, --data or --resume")
	case f.merge:
		return nil
	case len(args) > 0:
		return usagef("unexpected argument %q: files of results follow --merge", args[0])
	case len(f.models.paths) == 0:
		return usagef("%v", errNoModel)
	case f.data == "":
		return usagef("no records: name a file of CounterFact or zsRE with --data FILE")
	case f.edit.statsTime <= 0:
		return usagef("--stats-time must be above 0, as in 10m or 90s")
	}
	if f.batch < 1 || f.batch > 1 && f.sequential {
		return usagef("--batch takes 1 or more edits of rome on the unedited model: it goes with neither tpatcher nor --sequential")
	}
	if err := counts(count{"batch", f.batch, 1, mostBatch}); err != nil {
		return err
	}
	for _, m := range f.methods {
		if err := (choice{new(string), methodNames()}).Set(m); err != nil {
			return usagef("--method %q: %v", m, err)
		}
		if err := methodNamed(m).checkBench(f, flags); err != nil {
			return err
		}
	}
	if err := f.checkChats(flags); err != nil {
		return err
	}
	for _, as := range f.as {
		if err := (choice{new(string), []string{eval.AsAdapter, eval.AsBaked}}).Set(as); err != nil {
			return usagef("--as %q: %v", as, err)
		}
	}
	for _, k := range f.keys {
		if _, err := keysPerDim(k); err != nil {
			return err
		}
	}
	if slices.Contains(f.as, eval.AsBaked) && f.sequential {
		return usagef("--as baked writes a file for each edit of rome: it goes with neither tpatcher nor --sequential")
	}
	if f.sequential && f.score.shard.N > 1 {
		return usagef("--sequential edits one record on top of the other: it has no --shard")
	}
	if err := foreignFlags(flags, f.methods...); err != nil {
		return err
	}
	for _, c := range f.covariances {
		if err := (choice{new(string), []string{"full", "diagonal", "identity"}}).Set(c); err != nil {
			return usagef("--covariance %q: %v", c, err)
		}
	}
	return nil
}

// layerList is the layers of a sweep: numbers, or all.
type layerList struct {
	list []int
	all  bool
}

// Type names the values.
func (l *layerList) Type() string { return "N,..|all" }

// String is the list as it is written.
func (l *layerList) String() string {
	if l.all {
		return "all"
	}
	var s []string
	for _, n := range l.list {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, ",")
}

// Set reads a list.
func (l *layerList) Set(text string) error {
	if text == "all" {
		*l = layerList{all: true}
		return nil
	}
	var list []int
	for _, part := range strings.Split(text, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("give numbers of layers, from 0, as in 3,5,7, or all")
		}
		list = append(list, int(n))
	}
	*l = layerList{list: list}
	return nil
}
