package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"retcon/edit"
	"retcon/eval"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/atomicfile"
	"retcon/internal/human"
	"retcon/internal/outputs"
	"retcon/llama"
	"retcon/lm"
	"retcon/trace/average"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailure     = 1   // something went wrong: a file, memory, the disk
	exitUsage       = 2   // the command cannot be carried out as it is written
	exitRefused     = 3   // the edit did not turn out well enough to be written
	exitVerify      = 4   // a written file does not do what was predicted
	exitUnsupported = 5   // an architecture, tensor type or option that is not supported
	exitInterrupted = 130 // Ctrl-C or SIGTERM; nothing partial is left
)

// usageError is an error in the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitCode is the code for an error. Where a context has ended, whatever error
// that brought about is an interruption.
func exitCode(ctx context.Context, err error) int {
	is := func(kinds ...error) bool {
		for _, k := range kinds {
			if errors.Is(err, k) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil, is(context.Canceled):
		return exitInterrupted
	case isUsage(err), is(fact.ErrRequest, average.ErrSettings, atomicfile.ErrExists, atomicfile.ErrNotRegular,
		outputs.ErrInput, outputs.ErrShared, outputs.ErrStream, outputs.ErrTwice):
		return exitUsage
	case is(edit.ErrRefused):
		return exitRefused
	case is(edit.ErrVerify):
		return exitVerify
	case is(lm.ErrUnsupported, llama.ErrTemplate):
		return exitUnsupported
	}
	return exitFailure
}

// message is the one line that an error gets.
func message(code int, err error) string { return words(plainMessage(code, err)) }

// plainMessage is message, with advice in words.
func plainMessage(code int, err error) string {
	if kept, ok := errors.AsType[*eval.KeptError](err); ok && code == exitInterrupted {
		return "interrupted; results so far are in " + kept.Path + ", --resume goes on"
	}
	if kept, ok := errors.AsType[*edit.KeptError](err); ok && code == exitInterrupted {
		return oneLine("interrupted; " + kept.Kept())
	}
	if code == exitInterrupted {
		if e, ok := errors.AsType[interruptedAverage](err); ok {
			return oneLine(e.Error())
		}
		return "interrupted; nothing was written"
	}
	text := oneLine(err.Error())
	if errors.Is(err, atomicfile.ErrExists) && !strings.Contains(text, "--force") {
		text += " (--force replaces it)"
	}
	if e, ok := errors.AsType[*gguf.RoleError](err); ok {
		text += roleAdvice(e)
	}
	return text
}

// oneLine makes one printable line of a text that may come from a file.
func oneLine(s string) string { return human.Line(s) }

func isUsage(err error) bool {
	_, ok := errors.AsType[usageError](err)
	return ok
}
