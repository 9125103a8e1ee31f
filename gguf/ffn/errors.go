package ffn

import (
	"errors"
	"fmt"
)

// The kinds of error that this package returns, for use with errors.Is.
var (
	// ErrUnsupported reports a model whose feed-forward networks cannot hold
	// more or other neurons.
	ErrUnsupported = errors.New("the model cannot be widened")
	// ErrRoom reports slots or a padding that do not fit.
	ErrRoom = errors.New("bad room for neurons")
)

// errorf returns a one-line error of the given kind.
func errorf(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %w", kind, fmt.Errorf(format, args...))
}
