package fact

import (
	"fmt"

	"retcon/internal/fault"
)

// ErrRequest reports a request that cannot be carried out as it is
// written. The message says how to write it.
var ErrRequest = fault.ErrRequest

// A RecordError is an error of one of several requests.
type RecordError struct {
	Record int // counts from 1
	Err    error
}

// Error names the record.
func (e *RecordError) Error() string { return fmt.Sprintf("request %d: %v", e.Record, e.Err) }

// Unwrap returns the error itself.
func (e *RecordError) Unwrap() error { return e.Err }
