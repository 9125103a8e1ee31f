package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variableKey is the annotation of a flag that holds the environment variable
// that it is read from.
const variableKey = "retcon_environment"

// fromEnvironment lets a flag be read from an environment variable, and says so
// in its help. A name of llama.cpp's is used where it means the same there.
func fromEnvironment(fs *pflag.FlagSet, name, variable string) {
	fs.SetAnnotation(name, variableKey, []string{variable})
	fs.Lookup(name).Usage += " (env " + variable + ")"
}

// applyEnvironment sets the flags of a command that are not on its command line
// from the environment. It returns what is to be logged about it.
func applyEnvironment(cmd *cobra.Command) (notes []slog.Record, err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		names := f.Annotations[variableKey]
		if len(names) == 0 || err != nil {
			return
		}
		value, variable := os.Getenv(names[0]), names[0]
		switch {
		case value == "":
		case f.Changed:
			notes = append(notes, note(slog.LevelWarn, "the environment variable "+variable+" is overridden by --"+f.Name))
		default:
			if e := cmd.Flags().Set(f.Name, value); e != nil {
				err = usagef("environment variable %s=%s: %w", variable, value, cause(e))
			}
			notes = append(notes, note(slog.LevelDebug, "--"+f.Name+" is "+value+", from "+variable))
		}
	})
	return notes, err
}

// cause is what a flag's value had to say, without pflag's words around it.
func cause(err error) error {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return e.Unwrap()
	}
	return err
}
