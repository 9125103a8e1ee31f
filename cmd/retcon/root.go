package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"retcon/internal/input"
	"retcon/internal/progress"
	"retcon/llama"
)

// app is one run of the program: its streams, and the flags that every command
// has.
type app struct {
	stdin  io.Reader
	stdout *output
	stderr io.Writer

	json, quiet, verbose bool
	logFormat, color     string

	bar *progress.Bar
	log *slog.Logger

	profiling *profiling
	inputs    *input.Inputs
}

// root makes the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "retcon",
		Short: "Rewrite facts inside local GGUF models",
		Long: "retcon rewrites facts inside local GGUF models: it finds where a fact is stored, changes it,\n" +
			"checks the change, and writes a file that llama.cpp loads.",
		Version:                    version,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       noCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE:          a.start,
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetGlobalNormalizationFunc(canonical)
	root.SetVersionTemplate("retcon {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s; see %s --help", flagError(err), cmd.CommandPath())
	})
	a.inputs = &input.Inputs{Stdin: a.stdin}
	common := a.commonFlags()
	root.PersistentFlags().AddFlagSet(common)
	setHelp(root, group{"Output", common})
	root.AddCommand(a.editCommand(common, &editFlags{}), a.traceCommand(common, &traceFlags{}),
		a.benchCommand(common, &benchFlags{}), a.evalCommand(common, &evalFlags{}), a.versionCommand())
	return root
}

// flagError says what is wrong with a flag in fewer words than pflag.
func flagError(err error) string {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Sprintf("--%s %q: %v", e.GetFlag().Name, e.GetValue(), e.Unwrap())
	}
	return err.Error()
}

// commonFlags are the flags of every command.
func (a *app) commonFlags() *pflag.FlagSet {
	fs := newFlagSet("common")
	a.logFormat, a.color = "text", "auto"
	fs.BoolVar(&a.json, "json", false, "print the result as JSON")
	fs.BoolVar(&a.quiet, "quiet", false, "print the result and errors only")
	fs.BoolVarP(&a.verbose, "verbose", "v", false, "log more, llama.cpp's log too")
	fs.Var(choice{value: &a.logFormat, allowed: []string{"text", "json"}}, "log-format", "format of the log on stderr")
	fs.Var(choice{value: &a.color, allowed: []string{"auto", "on", "off"}}, "color", "colours in the result; auto obeys NO_COLOR")
	fromEnvironment(fs, "log-format", "RETCON_LOG_FORMAT")
	fromEnvironment(fs, "color", "RETCON_COLOR")
	return fs
}

// noCommand is the error for what stands where a command should.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		hint = fmt.Sprintf(" (did you mean %s?)", s[0])
	}
	return usagef("there is no command %q%s; see retcon --help", args[0], hint)
}

// noArguments is the error for what stands loose after a command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q: put quotes around a text of several words; see %s --help", args[0], cmd.CommandPath())
	}
	return nil
}

// start reads the environment and sets up the log before a command runs.
func (a *app) start(cmd *cobra.Command, _ []string) error {
	notes, err := applyEnvironment(cmd)
	level := slog.LevelInfo
	switch {
	case a.quiet && a.verbose:
		err = usagef("--quiet and --verbose exclude each other")
	case a.quiet:
		level = slog.LevelError
	case a.verbose:
		level = slog.LevelDebug
	}
	if err != nil {
		return err
	}
	options := progress.Options{Ended: a.stageEnded}
	if a.logFormat == "text" {
		options.Columns = progress.Terminal(a.stderr)
	}
	a.bar = progress.New(a.stderr, options)
	a.log = newLogger(a.bar, a.logFormat, level)
	for _, n := range notes {
		if a.log.Enabled(cmd.Context(), n.Level) {
			a.log.Handler().Handle(cmd.Context(), n)
		}
	}
	// Without -v the last complaints of llama.cpp still join the error of a
	// load.
	if a.verbose {
		llama.SetLogger(a.log)
	}
	return nil
}

// stageEnded logs a stage where there is no bar.
func (a *app) stageEnded(s progress.Stage) {
	if a.logFormat == "json" {
		a.log.Info("stage", "stage", s.Name, "done", s.Done, "total", s.Total, "seconds", s.Elapsed.Round(time.Millisecond).Seconds())
		return
	}
	a.log.Info(s.String())
}

// close ends what start began.
func (a *app) close() {
	if a.bar != nil {
		a.bar.Close()
	}
	llama.SetLogger(nil)
	a.inputs.Close()
}

// report tells the error of the whole run.
func (a *app) report(code int, err error) {
	text := a.inputs.Named(message(code, err))
	if a.log != nil && a.logFormat == "json" {
		a.log.Error(text, "exit_code", code)
		return
	}
	fmt.Fprintf(a.stderr, "retcon: %s\n", text)
}

// printJSON prints a result.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// styled reports whether the result on stdout may have colours.
func (a *app) styled() bool {
	switch a.color {
	case "on":
		return true
	case "off":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && progress.Terminal(a.stdout.w) != nil
}
