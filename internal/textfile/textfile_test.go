package textfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"

	"retcon/internal/fault"
)

// as16 is a text as UTF-16 with its mark.
func as16(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

const sample = "Plain, Größe, 模型, \U0001f5fc\nnext\ra\n"

// A text is the same in every encoding and however it comes.
func TestEncodings(t *testing.T) {
	windows := strings.ReplaceAll(sample, "\n", "\r\n")
	for name, raw := range map[string]string{
		"UTF-8": sample, "with a mark": "\ufeff" + windows, "CRLF": windows,
		"UTF-16LE": as16(binary.LittleEndian, windows), "UTF-16BE": as16(binary.BigEndian, sample),
	} {
		for _, r := range []io.Reader{strings.NewReader(raw), iotest.OneByteReader(strings.NewReader(raw)), iotest.DataErrReader(strings.NewReader(raw))} {
			b, err := io.ReadAll(NewReader(r))
			if string(b) != sample || err != nil {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		}
	}
	for _, raw := range []string{"", "\ufeff", "\xff\xfe", "\xfe\xff"} {
		if b, err := io.ReadAll(NewReader(strings.NewReader(raw))); len(b) > 0 || err != nil {
			t.Errorf("%q: %q, %v", raw, b, err)
		}
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("é", chunk)
	for _, c := range []struct {
		raw  string
		at   int64
		what string
	}{
		{"ab\xffc", 2, "0xff, which is not valid UTF-8"},
		{long + "\x80", int64(len(long)), "not valid UTF-8"},
		{"ab\xe6\xa8", 2, "not valid UTF-8"},         // ends within a character
		{"\ufeffab\xed\xa0\x80", 5, "not valid UTF"}, // a surrogate in UTF-8
		{"ab\x00c", 2, "a zero byte, which no text has"},
		{"a\x00b\x00c\x00d\x00", 1, "UTF-16 without a byte order mark"},
		{"\x00a\x00b\x00c\x00d", 0, "UTF-16 without a byte order mark"},
		{"\xff\xfea\x00b", 4, "in the middle of a character"},
		{"\xff\xfea\x00\x00\x00", 4, "a zero character"},
		{"\xff\xfea\x00\x3d\xd8b\x00", 4, "half of a character"},
		{"\xff\xfe\x00\xdc", 2, "half of a character"},
		{"\xfe\xff\xd8\x3d", 2, "half of a character"},
		{"\x1f\x8b\x08\x00", 0, "gzip"},
		{"PK\x03\x04aaaa", 0, "zip"},
		{"GGUF\x03\x00\x00\x00", 0, "GGUF"},
		{"\xff\xfe\x00\x00a\x00\x00\x00", 0, "UTF-32"},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.raw), iotest.OneByteReader(strings.NewReader(c.raw))} {
			_, err := io.ReadAll(NewReader(r))
			var bad *Error
			if !errors.As(err, &bad) || bad.At != c.at || !errors.Is(err, fault.ErrRequest) {
				t.Errorf("%.20q: %v, want byte %d", c.raw, err, c.at)
			} else if _, whole := r.(*strings.Reader); whole && !strings.Contains(bad.What, c.what) {
				t.Errorf("%.20q: %v, want %s", c.raw, err, c.what)
			}
		}
	}
}

// A bound may cut a character, and what is after it is not looked at.
func TestBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.txt")
	for _, raw := range []string{sample, as16(binary.LittleEndian, sample)} {
		os.WriteFile(path, []byte(raw), 0o666)
		for n := range len(sample) + 5 {
			want := sample[:min(n, len(sample))]
			for !utf8.ValidString(want) {
				want = want[:len(want)-1]
			}
			if got, err := Beginning(path, int64(n)); got != want || err != nil {
				t.Errorf("%d bytes: %q, %v; want %q", n, got, err, want)
			}
		}
	}
	os.WriteFile(path, []byte("good\xff"), 0o666)
	if got, err := Beginning(path, 4); got != "good" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Beginning(path, 5); err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "byte 4 ") {
		t.Error(err)
	}
}

// A piece from anywhere is what the text has there.
func TestPieces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.txt")
	text := strings.Repeat("Größe 模型 \U0001f5fc ", 20)
	for name, raw := range map[string]string{"UTF-8": text, "mark": "\ufeff" + text, "LE": as16(binary.LittleEndian, text), "BE": as16(binary.BigEndian, text)} {
		os.WriteFile(path, []byte(raw), 0o666)
		var at []int64
		for i := range len(raw) {
			at = append(at, int64(i))
		}
		got, err := Pieces(path, at, 40)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, p := range got {
			most := len(raw) - i
			if !utf8.ValidString(p) || strings.ContainsRune(p, utf8.RuneError) || strings.ContainsRune(p, 0xfeff) || !strings.Contains(text, p) || most > 12 && len(p) < 10 {
				t.Errorf("%s at %d: %q", name, i, p)
			}
		}
		if !strings.HasPrefix(got[0], "Größe") || !strings.HasSuffix(text, got[len(raw)-24]) {
			t.Errorf("%s: begins %q, ends %q", name, got[0], got[len(raw)-24])
		}
	}
	os.WriteFile(path, []byte("good text\xff and more"), 0o666)
	if _, err := Pieces(path, []int64{0, 6}, 8); err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "byte 9 ") {
		t.Error(err)
	}
}

// FuzzReader: whatever comes in, valid UTF-8 comes out, the same however it is
// cut, or an error at a byte of the input.
func FuzzReader(f *testing.F) {
	for _, s := range []string{sample, "\ufeffa\r\n", as16(binary.BigEndian, sample), "a\x00b\x00", "\xff\xfe\x3d\xd8"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole, err := io.ReadAll(NewReader(bytes.NewReader(raw)))
		cut, again := io.ReadAll(NewReader(iotest.OneByteReader(bytes.NewReader(raw))))
		if !bytes.Equal(whole, cut) || !utf8.Valid(whole) || (err == nil) != (again == nil) || len(whole) > 2*len(raw) {
			t.Fatalf("%q, %v; in parts %q, %v", whole, err, cut, again)
		}
		var bad, other *Error
		if err != nil && (!errors.As(err, &bad) || !errors.As(again, &other) || bad.At != other.At || bad.At > int64(len(raw))) {
			t.Fatalf("%v; in parts %v", err, again)
		}
	})
}
