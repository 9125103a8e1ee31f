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
	File   string // empty where a caller names it
	Record int    // counts from 1
	Err    error
}

// Error names the record, and the file if it is known.
func (e *RecordError) Error() string {
	text := fmt.Sprintf("request %d: %v", e.Record, e.Err)
	if e.File != "" {
		text = e.File + ": " + text
	}
	return text
}

// Unwrap returns the error itself.
func (e *RecordError) Unwrap() error { return e.Err }
