package edit

import (
	"errors"
	"fmt"
)

// The kinds of error that this package returns, for use with errors.Is.
var (
	// ErrRequest reports a request that cannot be carried out as it is
	// written. The message says how to write it.
	ErrRequest = errors.New("bad request")
	// ErrRefused reports an edit that did not turn out well enough to be
	// written. Config.Force writes it nevertheless.
	ErrRefused = errors.New("edit refused")
	// ErrUnsupported reports a model, tensor type or option that cannot be
	// edited or used.
	ErrUnsupported = errors.New("not supported")
	// ErrOutput reports an output that cannot be written where it should go.
	ErrOutput = errors.New("bad output")
	// ErrStats reports key statistics that could not be made, or not in time.
	ErrStats = errors.New("no key statistics")
	// ErrVerify reports a written file that does not do what was predicted.
	ErrVerify = errors.New("the written file failed its check")
)

// errorf returns a one-line error of the given kind.
func errorf(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %w", kind, fmt.Errorf(format, args...))
}

// A RecordError is an error of one of several requests.
type RecordError struct {
	Record int // counts from 1
	Err    error
}

// Error names the record.
func (e *RecordError) Error() string { return fmt.Sprintf("request %d: %v", e.Record, e.Err) }

// Unwrap returns the error itself.
func (e *RecordError) Unwrap() error { return e.Err }
