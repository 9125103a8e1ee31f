package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// group is flags that belong together, under a title in the help.
type group struct {
	title string
	flags *pflag.FlagSet
}

// newFlagSet makes a set of flags that are shown in the order of their making.
func newFlagSet(name string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SortFlags = false
	return fs
}

// setHelp gives a command a help text with its flags in groups. The commands
// below it without one of their own get the same.
func setHelp(cmd *cobra.Command, groups ...group) {
	cmd.SetHelpFunc(func(c *cobra.Command, _ []string) {
		var b strings.Builder
		about := c.Long
		if about == "" {
			about = c.Short
		}
		fmt.Fprintf(&b, "%s\n\nUsage:\n", strings.TrimSpace(about))
		if c.Runnable() && c.HasParent() {
			fmt.Fprintf(&b, "  %s\n", c.UseLine())
		}
		if c.HasAvailableSubCommands() {
			fmt.Fprintf(&b, "  %s COMMAND [flags]\n\nCommands:\n", c.CommandPath())
			for _, s := range c.Commands() {
				if s.IsAvailableCommand() {
					fmt.Fprintf(&b, "  %-12s %s\n", s.Name(), s.Short)
				}
			}
		}
		if c.HasExample() {
			fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
		}
		own := c.LocalNonPersistentFlags()
		for _, g := range groups {
			fmt.Fprintf(&b, "\n%s:\n%s", g.title, flagLines(g.flags))
			g.flags.VisitAll(func(f *pflag.Flag) { own = without(own, f.Name) })
		}
		if own.HasAvailableFlags() {
			fmt.Fprintf(&b, "\nOther:\n%s", flagLines(own))
		}
		fmt.Fprint(c.OutOrStdout(), b.String())
	})
}

// without is a set of flags less one.
func without(fs *pflag.FlagSet, name string) *pflag.FlagSet {
	out := newFlagSet("rest")
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Name != name {
			out.AddFlag(f)
		}
	})
	return out
}

// flagColumn is where the descriptions of flags start.
const flagColumn = 36

// flagLines has a line for each flag: names, what it takes, what it does, its
// default. A usage that begins with `FILE`: says what a flag takes where its type
// does not.
func flagLines(fs *pflag.FlagSet) string {
	var b strings.Builder
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		left := "      --" + f.Name
		if f.Shorthand != "" {
			left = "  -" + f.Shorthand + ", --" + f.Name
		}
		takes, about := pflag.UnquoteUsage(f)
		about = strings.TrimPrefix(about, takes+": ")
		if name, ok := map[string]string{"int": "N", "uint": "N", "float": "X", "duration": "TIME"}[takes]; ok {
			takes = name
		}
		switch {
		case takes != "" && f.NoOptDefVal != "" && f.Value.Type() != "bool":
			left += "[=" + takes + "]"
		case takes != "":
			left += " " + takes
		}
		if len(left) > flagColumn-2 {
			left += "\n" + strings.Repeat(" ", flagColumn-2)
		}
		if d := defaultOf(f); d != "" && d != "false" && d != "0" {
			about += " (default " + d + ")"
		}
		fmt.Fprintf(&b, "%-*s  %s\n", flagColumn-2, left, about)
	})
	return b.String()
}

// defaultOf is a flag's default as one would give it: lists without pflag's
// brackets, numbers without its trailing zeros.
func defaultOf(f *pflag.Flag) string {
	list, ok := strings.CutPrefix(f.DefValue, "[")
	if !ok {
		return f.DefValue
	}
	all := strings.Split(strings.TrimSuffix(list, "]"), ",")
	for i, d := range all {
		if x, err := strconv.ParseFloat(d, 64); err == nil {
			all[i] = strconv.FormatFloat(x, 'g', -1, 64)
		}
	}
	return strings.Join(all, ",")
}
