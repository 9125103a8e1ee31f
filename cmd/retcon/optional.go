package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// optionalValues joins values to flags whose value is optional, which pflag takes
// after "=" only: "--chat turn" is "--chat=turn". A switch takes true and false
// that way, any other such flag all that is no flag, so that what is wrong with it
// is said of the flag.
func optionalValues(root *cobra.Command, args []string, takesValue func(arg string) bool) []string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd == root || strings.HasPrefix(args[0], "__") { // which complete a line
		return args
	}
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		out = append(out, args[i])
		if args[i] == "--" {
			return append(out, args[i+1:]...)
		}
		if i+1 == len(args) {
			break
		}
		next := args[i+1]
		switch f := flagOf(cmd, args[i]); {
		case f == nil && takesValue(args[i]), f != nil && f.NoOptDefVal == "":
			out = append(out, next)
			i++
		case f == nil || strings.HasPrefix(next, "-"):
		case f.Value.Type() != "bool" || slices.Contains([]string{"true", "false"}, next):
			out[len(out)-1] += "=" + next
			i++
		}
	}
	return out
}

// flagOf is the flag of a command that an argument is, alone and without a value.
func flagOf(cmd *cobra.Command, arg string) *pflag.Flag {
	if name, ok := strings.CutPrefix(arg, "--"); ok && name != "" {
		return cmd.Flag(name)
	}
	if len(arg) != 2 || arg[0] != '-' || arg[1] > 127 {
		return nil
	}
	if f := cmd.Flags().ShorthandLookup(arg[1:]); f != nil {
		return f
	}
	return cmd.InheritedFlags().ShorthandLookup(arg[1:])
}
