// Package textfile reads texts as people have them: UTF-8 with or without a byte
// order mark, and UTF-16 with one. They come out as UTF-8 without the mark, lines
// ended by \n. All else is refused with the place of the first byte that is no
// text; nothing is replaced or left out.
package textfile

import (
	"fmt"
	"io"

	"retcon/internal/fault"
)

// Error says which byte of a file is no text. It wraps fault.ErrRequest.
type Error struct {
	Path string // empty where the reader has none
	At   int64  // the byte's offset in the file, from 0
	What string
}

// Error names the file, if known, and the byte.
func (e *Error) Error() string {
	text := fmt.Sprintf("%v: at byte %d %s", fault.ErrRequest, e.At, e.What)
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	return text
}

// Unwrap is fault.ErrRequest.
func (e *Error) Unwrap() error { return fault.ErrRequest }

// Reader reads a text as UTF-8 with \n at the ends of lines, in whatever
// encoding it is. Bytes that are no text end it with an [*Error].
type Reader struct {
	in   io.Reader
	at   int64  // offset of raw[0] in the file
	raw  []byte // read, not decoded yet
	buf  []byte
	how  decoder // nil until the first bytes are there
	out  []byte  // decoded, not handed out yet
	err  error   // comes when out is empty
	done bool    // in is at its end
}

// NewReader reads the text of a stream from its first byte.
func NewReader(in io.Reader) *Reader { return &Reader{in: in} }

// Read reads decoded text.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 && r.err == nil {
		r.fill()
	}
	if len(r.out) == 0 {
		return 0, r.err
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// chunk is how many bytes are decoded at a time.
const chunk = 32 << 10

// fill reads more of the file and decodes what is whole of it.
func (r *Reader) fill() {
	if r.buf == nil {
		r.buf = make([]byte, chunk)
	}
	have := copy(r.buf, r.raw)
	n, err := r.in.Read(r.buf[have:])
	r.raw = r.buf[:have+n]
	if err != nil && err != io.EOF {
		r.err = err
		return
	}
	r.done = err == io.EOF
	if r.how == nil {
		if len(r.raw) < enough && !r.done {
			return
		}
		if r.err = r.begin(); r.err != nil {
			return
		}
	}
	used, out, bad := r.how(r.out[:0], r.raw, r.done)
	r.out = out
	r.at += int64(used)
	r.raw = r.raw[used:]
	switch {
	case bad != "":
		r.err = &Error{At: r.at, What: bad}
	case r.done:
		r.err = io.EOF
	}
}

// begin finds out how the text is written, and passes over its mark.
func (r *Reader) begin() error {
	if what := foreign(r.raw); what != "" {
		return &Error{What: what}
	}
	var mark int
	r.how, mark = encoding(r.raw)
	r.raw, r.at = r.raw[mark:], int64(mark)
	return nil
}
