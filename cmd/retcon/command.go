package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// command completes a command that takes flags only: their groups in its help,
// and what shells offer for them.
func command(cmd *cobra.Command, common *pflag.FlagSet, groups ...group) *cobra.Command {
	cmd.Args = noArguments
	cmd.DisableFlagsInUseLine = true
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.flags)
	}
	completions(cmd)
	setHelp(cmd, append(slices.Clip(groups), group{"Output", common})...)
	return cmd
}

// completions tells shells what a command's flags take: one of a few values, a
// directory, or files with these endings.
func completions(cmd *cobra.Command) {
	endings := map[string][]string{
		"model": {"gguf"}, "lora": {"gguf"}, "imatrix": {"gguf"}, "svg": {"svg"}, "html": {"html"},
		"requests": {"json", "jsonl"}, "merge": {"jsonl"}, "hparams": {"json", "yaml", "yml"},
	}
	var err []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		c, isChoice := f.Value.(choice)
		switch {
		case isChoice:
			err = append(err, cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(c.allowed, cobra.ShellCompDirectiveNoFileComp)))
		case f.Name == "cache-dir":
			err = append(err, cmd.MarkFlagDirname(f.Name))
		case endings[f.Name] != nil:
			err = append(err, cmd.MarkFlagFilename(f.Name, endings[f.Name]...))
		}
	})
	if err := errors.Join(err...); err != nil {
		panic(err) // a name above is not a flag
	}
}
