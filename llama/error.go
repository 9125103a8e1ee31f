package llama

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"

	"retcon/lm"
)

// The kinds of errors of this package. ErrUnsupported is an [lm.ErrUnsupported].
var (
	ErrLoad              = errors.New("cannot load")
	ErrInvalid           = errors.New("invalid argument")
	ErrMemory            = errors.New("out of memory")
	ErrUnsupported error = unsupported{}
	ErrCompute           = errors.New("computation failed")
	ErrClosed            = errors.New("already closed")
)

type unsupported struct{}

func (unsupported) Error() string { return "unsupported" }

func (unsupported) Unwrap() error { return lm.ErrUnsupported }

// errorBuffer receives the line that a failed call leaves.
type errorBuffer [C.RC_ERR]C.char

func (b *errorBuffer) ptr() *C.char { return &b[0] }

func (b *errorBuffer) text() string { return C.GoString(&b[0]) }

// check turns a code of the bridge into an error. A cancelled call returns the
// error of ctx.
func (b *errorBuffer) check(ctx context.Context, code C.int, what string) error {
	kind := ErrCompute
	switch code {
	case C.RC_OK:
		return nil
	case C.RC_CANCELLED:
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	case C.RC_NO_MEMORY:
		kind = ErrMemory
	case C.RC_INVALID:
		kind = ErrInvalid
	case C.RC_UNSUPPORTED:
		kind = ErrUnsupported
	}
	return fmt.Errorf("%s: %w: %s", what, kind, b.text())
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
