package textfile

import (
	"errors"
	"io"
	"os"
	"unicode/utf8"

	"retcon/gguf"
)

// Beginning is the text that a file begins with, in at most so many bytes of
// UTF-8. A character that the bound cuts is left out; what comes after the bound
// is not looked at. Errors name the file.
func Beginning(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := Limited(f, most)
	return text, named(path, err)
}

// Limited is the text that a stream begins with; see [Beginning].
func Limited(r io.Reader, most int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(NewReader(r), most))
	if err == nil && int64(len(b)) == most {
		b = whole(b)
	}
	return string(b), err
}

// whole is text without a character that is cut at its end.
func whole(b []byte) []byte {
	for i := 1; i <= min(len(b), utf8.UTFMax); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// Pieces are texts from anywhere in a file: at each of the offsets what follows
// it, of most bytes of the file. Characters that a piece's ends cut are left out.
// Errors name the file.
func Pieces(path string, offsets []int64, most int64) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, gguf.SniffLength)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, named(path, err)
	}
	if what := foreign(head[:n]); what != "" {
		return nil, &Error{Path: path, What: what}
	}
	how, mark := encoding(head[:n])
	out := make([]string, len(offsets))
	raw := make([]byte, most)
	for i, at := range offsets {
		n, err := f.ReadAt(raw, at)
		if err != nil && err != io.EOF {
			return nil, named(path, err)
		}
		b := raw[:n]
		skip := 0
		if at == 0 {
			skip = min(mark, n)
		} else {
			skip = cutBefore(b, at, head[:mark])
		}
		used, text, bad := how(nil, b[skip:], err == io.EOF)
		if bad != "" {
			return nil, &Error{Path: path, At: at + int64(skip+used), What: bad}
		}
		out[i] = string(text)
	}
	return out, nil
}

// cutBefore is how many bytes of b, which is from a file with a mark and begins
// at an offset that is not 0, belong to a character that begins before it.
func cutBefore(b []byte, at int64, mark []byte) int {
	n := 0
	if len(mark) != 2 {
		for n < min(len(b), utf8.UTFMax-1) && !utf8.RuneStart(b[n]) {
			n++
		}
		return n
	}
	high := 0 // the byte of a unit that says what it is
	if mark[0] == 0xff {
		high = 1
	}
	if n = int(at % 2); n+2 <= len(b) && b[n+high]&0xfc == 0xdc {
		n += 2
	}
	return min(n, len(b))
}

// named puts a file's name into an error that has none.
func named(path string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Path == "" {
		e.Path = path
	}
	return err
}
