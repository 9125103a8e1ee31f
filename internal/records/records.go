// Package records reads JSON records from a stream, an array of them or one
// after the other (JSON lines), and texts from their fields as people write
// them. What is no such file is named.
package records

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"retcon/internal/textfile"
)

// ErrEmpty reports a stream without a record, ErrOpen an array that ends without
// its bracket.
var (
	ErrEmpty = errors.New("no records")
	ErrOpen  = errors.New("the list ends without its ]")
)

// Reader reads records in turn.
type Reader struct {
	in    *source // what dec reads
	dec   *json.Decoder
	array bool
	n     int
}

// NewReader finds out which of the two forms a stream has, in any encoding that
// [textfile.NewReader] reads.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReader(textfile.NewReader(r))
	array, err := startsArray(in)
	if errors.Is(err, io.EOF) {
		return nil, ErrEmpty
	}
	if err != nil {
		return nil, err
	}
	if head, _ := in.Peek(512); !array {
		if err := foreign(string(head)); err != nil {
			return nil, err
		}
	}
	out := &Reader{in: &source{from: in}, array: array}
	out.dec = json.NewDecoder(out.in)
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

// foreign names a file that begins with head and is no JSON, where that is
// plain.
func foreign(head string) error {
	line, _, _ := strings.Cut(head, "\n")
	sign := ""
	for _, s := range []string{"\t", ";", ","} {
		if strings.Contains(line, s) {
			sign = s
		}
	}
	switch {
	case strings.HasPrefix(line, "{"), strings.HasPrefix(line, "'"): // syntax says more
		return nil
	case strings.HasPrefix(line, "<"):
		return errors.New("it is HTML or XML, not JSON records")
	case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "- "), strings.HasSuffix(strings.TrimSpace(line), ":"):
		return errors.New("it looks like YAML, not JSON records")
	case sign != "" && !json.Valid([]byte(strings.TrimSpace(line))):
		return fmt.Errorf("it looks like a table of values with %q between them (CSV), not JSON records: write an object a line, its keys being the columns", sign)
	}
	return nil
}

// Next reads the next record; io.EOF after the last. An error of another kind
// is that of record Count() + 1, or ErrOpen, or ErrEmpty if there was none.
func (r *Reader) Next() (json.RawMessage, error) {
	if r.array && !r.dec.More() {
		if _, err := r.dec.Token(); err != nil {
			if bad, ok := errors.AsType[*textfile.Error](err); ok {
				return nil, bad
			}
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
	return nil, explained(err)
}

// explained is an error of JSON, with what is plain about it.
func explained(err error) error {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return err
	}
	says := syntax.Error()
	for _, sign := range []string{`character '\''`, `character 'N'`, `character 'T'`, `character 'F'`, `literal null (expecting 'u')`} {
		if strings.Contains(says, sign) && !strings.Contains(says, "in string") {
			return fmt.Errorf("%w; it looks like Python's way to write a dictionary: write it by json.dumps, with double quotes, null, true and false", err)
		}
	}
	return err
}

// Skip goes on after a record that could not be read: with the next line that
// begins a record. It reports false where that cannot be told: in an array, or
// where the stream cannot be read.
func (r *Reader) Skip() bool {
	if r.array {
		return false
	}
	ahead, err := io.ReadAll(r.dec.Buffered())
	if err != nil {
		return false
	}
	r.in.back = append(ahead, r.in.back...)
	c := byte(' ')
	for ; err == nil && strings.ContainsRune(" \t\r\n", rune(c)); c, err = r.in.next() {
	}
	if err != nil {
		return false
	}
	r.n++
	for begins := false; !begins; begins = c == '{' {
		for ; err == nil && c != '\n'; c, err = r.in.next() {
		}
		if err == nil {
			c, err = r.in.next()
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		r.in.back = append([]byte{c}, r.in.back...)
	}
	r.dec = json.NewDecoder(r.in)
	return err == nil || errors.Is(err, io.EOF)
}

// source is a stream that what was read ahead can be given back to.
type source struct {
	back []byte
	from *bufio.Reader
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.back) == 0 {
		return s.from.Read(p)
	}
	n := copy(p, s.back)
	s.back = s.back[n:]
	return n, nil
}

func (s *source) next() (byte, error) {
	if len(s.back) == 0 {
		return s.from.ReadByte()
	}
	c := s.back[0]
	s.back = s.back[1:]
	return c, nil
}

func (r *Reader) end() error {
	if r.n == 0 {
		return ErrEmpty
	}
	return io.EOF
}

// Count is the number of records read.
func (r *Reader) Count() int { return r.n }
