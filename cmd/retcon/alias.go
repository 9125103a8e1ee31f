package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// shortName is llama.cpp's short name of more than one letter, which pflag would
// read as several flags.
const shortName, shortFor = "-ngl", "--n-gpu-layers"

// longNames rewrites the short name in args, alone or before "=". What stands
// where a flag takes its value is left as it is, and so is all after "--".
func longNames(args []string, takesValue func(arg string) bool) []string {
	out := make([]string, len(args))
	copy(out, args)
	for i := 0; i < len(out) && out[i] != "--"; i++ {
		name, value, assigned := strings.Cut(out[i], "=")
		if name == shortName {
			out[i] = shortFor
			if assigned {
				out[i] += "=" + value
			}
		}
		if takesValue(out[i]) {
			i++
		}
	}
	return out
}

// canonical is the name of a long option: "_" is read as "-", and llama.cpp's
// other names of an option are those of ours.
func canonical(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.ReplaceAll(name, "_", "-")
	switch name {
	case "gpu-layers":
		name = "n-gpu-layers"
	case "output-file":
		name = "output"
	}
	return pflag.NormalizedName(name)
}

// valueFlags reports whether an argument is a flag, of any command, whose value
// is the next argument.
func valueFlags(root *cobra.Command) func(arg string) bool {
	var sets []*pflag.FlagSet
	for _, c := range append(root.Commands(), root) {
		sets = append(sets, c.Flags(), c.PersistentFlags())
	}
	find := func(lookup func(*pflag.FlagSet) *pflag.Flag) *pflag.Flag {
		for _, s := range sets {
			if f := lookup(s); f != nil {
				return f
			}
		}
		return nil
	}
	needs := func(f *pflag.Flag) bool { return f != nil && f.NoOptDefVal == "" }
	return func(arg string) bool {
		if name, ok := strings.CutPrefix(arg, "--"); ok {
			return name != "" && needs(find(func(s *pflag.FlagSet) *pflag.Flag { return s.Lookup(name) }))
		}
		if len(arg) < 2 || arg[0] != '-' {
			return false
		}
		// In a group of letters the first one that takes a value has the rest
		// of the group for it.
		for i, letter := range arg[1:] {
			f := find(func(s *pflag.FlagSet) *pflag.Flag {
				if letter > 127 {
					return nil
				}
				return s.ShorthandLookup(string(letter))
			})
			if f == nil {
				return false
			}
			if needs(f) {
				return i == len(arg)-2
			}
		}
		return false
	}
}
