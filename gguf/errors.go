package gguf

import (
	"errors"
	"fmt"
	"strconv"
)

// The kinds of error that this package returns, for use with errors.Is.
var (
	// ErrFormat reports bytes that are not a GGUF file this package can read.
	ErrFormat = errors.New("bad GGUF file")
	// ErrTruncated reports a file that ends before its own header says.
	ErrTruncated = errors.New("truncated GGUF file")
	// ErrSplit reports shards that are missing or do not belong together.
	ErrSplit = errors.New("bad split GGUF model")
	// ErrNotFound reports a key or tensor that the file does not have.
	ErrNotFound = errors.New("not in the GGUF file")
	// ErrKind reports a key whose value has another type than the one asked for.
	ErrKind = errors.New("wrong type of GGUF value")
	// ErrEdit reports edits that do not fit the file, or data that does not
	// fit its tensor.
	ErrEdit = errors.New("bad GGUF edit")
)

// errorf returns a one-line error of the given kind.
func errorf(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
}

// quote makes a name from a file safe to print: names may hold control
// characters, and keys may be a gigabyte long.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
