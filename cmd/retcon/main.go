// Command retcon rewrites facts inside local GGUF models.
//
// The command line lives here and nothing else: flags become an edit.Config,
// the result becomes text or JSON on stdout, progress and logs go to stderr,
// and errors become exit codes. docs/cli.md is the reference.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"retcon/llama"
)

func main() {
	boundMemory()
	llama.ReportLostFile("retcon", exitFailure)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// boundMemory has the process give back what it does not use. The packages change
// nothing that is the whole process's, so that it is said here.
func boundMemory() {
	llama.ReturnFreedMemory()
	if os.Getenv("GOGC") == "" {
		// Go's part of the memory is a few large slices: waiting until it has
		// doubled would cost more memory than collecting costs time.
		debug.SetGCPercent(25)
	}
}

// run executes one command line and returns its exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	a := &app{stdin: stdin, stdout: &output{w: stdout}, stderr: stderr}
	root := a.root()
	takesValue := valueFlags(root)
	root.SetArgs(optionalValues(root, longNames(args, takesValue), takesValue))
	err := root.ExecuteContext(ctx)
	a.close()
	if err == nil {
		err = a.stdout.err
	}
	code := exitCode(ctx, err)
	if code != exitOK {
		a.report(code, err)
	}
	return code
}

// interruptible ends its context at the first signal that asks the program to
// stop. The next one finds the system's default and kills at once.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, signals...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// output is stdout. It remembers a failure, so that a result that nobody got
// is not taken for a success.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("writing the result: %w", err)
	}
	return n, err
}
