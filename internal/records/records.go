// Package records reads JSON records from a stream: an array of them, or one
// after the other (JSON lines).
package records

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// ErrEmpty reports a stream without a record, ErrOpen an array that ends without
// its bracket.
var (
	ErrEmpty = errors.New("no records")
	ErrOpen  = errors.New("the list ends without its ]")
)

// Reader reads records in turn.
type Reader struct {
	dec   *json.Decoder
	array bool
	n     int
}

// NewReader finds out which of the two forms a stream has. A byte order mark is
// passed over.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReader(r)
	if bom, _ := in.Peek(3); bytes.Equal(bom, []byte("\ufeff")) {
		in.Discard(3)
	}
	array, err := startsArray(in)
	if errors.Is(err, io.EOF) {
		return nil, ErrEmpty
	}
	if err != nil {
		return nil, err
	}
	out := &Reader{dec: json.NewDecoder(in), array: array}
	if array {
		_, err = out.dec.Token()
	}
	return out, err
}

func startsArray(in *bufio.Reader) (bool, error) {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return false, err
		}
		if !strings.ContainsRune(" \t\r\n", rune(b)) {
			return b == '[', in.UnreadByte()
		}
	}
}

// Next reads the next record; io.EOF after the last. An error of another kind
// is that of record Count() + 1, or ErrOpen, or ErrEmpty if there was none.
func (r *Reader) Next() (json.RawMessage, error) {
	if r.array && !r.dec.More() {
		if _, err := r.dec.Token(); err != nil {
			return nil, ErrOpen
		}
		return nil, r.end()
	}
	var data json.RawMessage
	err := r.dec.Decode(&data)
	switch {
	case err == nil:
		r.n++
		return data, nil
	case !r.array && errors.Is(err, io.EOF):
		return nil, r.end()
	}
	return nil, err
}

func (r *Reader) end() error {
	if r.n == 0 {
		return ErrEmpty
	}
	return io.EOF
}

// Count is the number of records read.
func (r *Reader) Count() int { return r.n }
