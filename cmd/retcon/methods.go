package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"retcon/edit"
	"retcon/lm"
)

// methodEntry is a method of editing as the commands know it. All that is of one
// method only is behind its entry.
type methodEntry struct {
	name, about string
	// flags are those of this method alone, clashes those that mean another
	// thing to it than to others.
	flags, clashes []string
	// check refuses flags of edit that do not go with the method.
	check func(f *editFlags) error
	// make is the method by the flags, with warnings for the user.
	make func(f *editFlags, flags *pflag.FlagSet) (edit.Method, []string, error)
	// sweep are the ways in which bench edits with it on a model; check refuses
	// flags of bench that do not go with it.
	sweep      func(f *benchFlags, flags *pflag.FlagSet, info lm.Info) ([]way, error)
	checkBench func(f *benchFlags, flags *pflag.FlagSet) error
}

// methodEntries are all methods, the default first.
func methodEntries() []methodEntry { return []methodEntry{romeEntry(), tpatcherEntry()} }

// methodFlags are those that say how to edit: the method, and the first one's
// hyper-parameters, of which others take some over.
func (f *editFlags) methodFlags() *pflag.FlagSet {
	all := methodEntries()
	f.method = all[0].name
	var about []string
	for _, m := range all {
		about = append(about, m.name+" "+m.about)
	}
	fs := newFlagSet("method")
	fs.Var(choice{&f.method, methodNames()}, "method", strings.Join(about, "; "))
	f.romeFlags(fs)
	return fs
}

func methodNames() []string {
	var out []string
	for _, m := range methodEntries() {
		out = append(out, m.name)
	}
	return out
}

// methodNamed is the entry of a name that was checked before.
func methodNamed(name string) methodEntry {
	all := methodEntries()
	return all[max(0, slices.IndexFunc(all, func(m methodEntry) bool { return m.name == name }))]
}

// foreignFlags refuses flags that belong to methods other than those in use, and
// flags that mean different things to several of them.
func foreignFlags(flags *pflag.FlagSet, used ...string) error {
	clash := map[string][]string{}
	for _, m := range methodEntries() {
		if slices.Contains(used, m.name) {
			for _, name := range m.clashes {
				clash[name] = append(clash[name], m.name)
			}
			continue
		}
		for _, name := range m.flags {
			if flags.Changed(name) {
				return usagef("--%s belongs to --method %s", name, m.name)
			}
		}
	}
	for _, name := range []string{"steps", "lr"} {
		if by := clash[name]; len(by) > 1 && flags.Changed(name) {
			return usagef("--%s is another thing to %s than to %s: give each method a run of its own", name, by[0], by[1])
		}
	}
	return nil
}
