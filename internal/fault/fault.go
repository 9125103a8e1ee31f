// Package fault has the kinds of error that several packages return, and the
// advice that they give along. Packages fact, lm and edit export the kinds under
// names of their own.
package fault

import (
	"errors"
	"fmt"
)

// The kinds, for errors.Is.
var (
	ErrRequest     = errors.New("bad request")
	ErrUnsupported = errors.New("not supported")
	ErrRefused     = errors.New("edit refused")
	ErrOutput      = errors.New("bad output")
	ErrStats       = errors.New("no key statistics")
	ErrVerify      = errors.New("the written file failed its check")
)

// Errorf returns a one-line error of the given kind.
func Errorf(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %w", kind, fmt.Errorf(format, args...))
}
