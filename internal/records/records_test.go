package records

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReader(t *testing.T) {
	for in, want := range map[string]struct {
		records string
		err     error
	}{
		`{"a":1}{"b":2}`:            {`{"a":1};{"b":2};`, io.EOF},
		"\ufeff\n {\"a\":1}\n3\r\n": {`{"a":1};3;`, io.EOF},
		` [{"a":1}, [2]]`:           {`{"a":1};[2];`, io.EOF},
		`[{"a":1}`:                  {`{"a":1};`, ErrOpen},
		``:                          {``, ErrEmpty},
		" \n":                       {``, ErrEmpty},
		`[]`:                        {``, ErrEmpty},
		`[`:                         {``, ErrOpen},
		`{"a":1}{"b"`:               {`{"a":1};`, io.ErrUnexpectedEOF},
	} {
		var got strings.Builder
		r, err := NewReader(strings.NewReader(in))
		n := 0
		for err == nil {
			var data []byte
			if data, err = r.Next(); err == nil {
				got.Write(data)
				got.WriteByte(';')
				n++
			}
		}
		if got.String() != want.records || !errors.Is(err, want.err) || r != nil && r.Count() != n {
			t.Errorf("%q: %s, %v; want %s, %v", in, got.String(), err, want.records, want.err)
		}
	}
	if r, err := NewReader(strings.NewReader("plain")); err == nil {
		if _, err = r.Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("plain text: %v", err)
		}
	}
}
