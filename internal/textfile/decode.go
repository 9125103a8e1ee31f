package textfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"retcon/gguf"
)

// A decoder appends the text of b to dst, up to a character that b does not hold
// whole, or, in last, which ends the file, all of it. used is how much of b that
// was; bad says what is wrong with the byte after it, or is empty.
type decoder func(dst, b []byte, last bool) (used int, out []byte, bad string)

// encoding is how a file is written that begins with b, and the length of the
// mark that says so.
func encoding(b []byte) (how decoder, mark int) {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return utf8Text, 3
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return utf16Text(binary.LittleEndian), 2
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return utf16Text(binary.BigEndian), 2
	}
	return utf8Text, 0
}

// enough is how many bytes foreign waits for. It looks at more where they are
// there.
const enough = 16

// foreign names a file by its first bytes that is no text.
func foreign(b []byte) string {
	for _, mark := range []string{"\xff\xfe\x00\x00", "\x00\x00\xfe\xff"} {
		if bytes.HasPrefix(b, []byte(mark)) {
			return "begins UTF-32, which is not read: write it as UTF-8"
		}
	}
	f, ok := gguf.Sniff(b)
	switch {
	case ok && f.Unpack != "":
		return "begins " + f.Name + ": " + f.Unpack
	case ok && !f.Text:
		return "begins " + f.Name + ", where a text belongs"
	}
	return ""
}

func utf8Text(dst, b []byte, last bool) (used int, out []byte, bad string) {
	for used < len(b) {
		rest := b[used:]
		n := plain(rest)
		dst = append(dst, rest[:n]...)
		used += n
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		switch c := rest[0]; {
		case c == 0:
			return used, dst, zero(rest)
		case c == '\r':
			if len(rest) == 1 && !last {
				return used, dst, ""
			}
			if len(rest) == 1 || rest[1] != '\n' {
				dst = append(dst, c)
			}
			used++
		default:
			r, size := utf8.DecodeRune(rest)
			if r == utf8.RuneError && size <= 1 {
				if !last && !utf8.FullRune(rest) {
					return used, dst, ""
				}
				return used, dst, fmt.Sprintf("stands %#02x, which is not valid UTF-8", c)
			}
			dst = append(dst, rest[:size]...)
			used += size
		}
	}
	return used, dst, ""
}

// plain is the length of the ASCII text that b begins with, up to a carriage
// return.
func plain(b []byte) int {
	for i, c := range b {
		if c == 0 || c == '\r' || c >= utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

// zero says what b is, which begins with a zero byte.
func zero(b []byte) string {
	b = b[:min(len(b), 64)]
	n := 0
	for i := 0; i < len(b); i += 2 {
		if b[i] == 0 {
			n++
		}
	}
	if n > 1 && 4*n > len(b) {
		return "stands a zero byte: is it UTF-16 without a byte order mark? Write it as UTF-8"
	}
	return "stands a zero byte, which no text has"
}

func utf16Text(order binary.ByteOrder) decoder {
	return func(dst, b []byte, last bool) (used int, out []byte, bad string) {
		for used < len(b) {
			rest := b[used:]
			if len(rest) < 2 {
				if last {
					return used, dst, "the text ends in the middle of a character of UTF-16"
				}
				break
			}
			r, size := rune(order.Uint16(rest)), 2
			switch {
			case r == 0:
				return used, dst, "stands a zero character, which no text has"
			case r == '\r' || utf16.IsSurrogate(r):
				if len(rest) < 4 && !last {
					return used, dst, ""
				}
				var next rune
				if len(rest) >= 4 {
					next = rune(order.Uint16(rest[2:]))
				}
				if r == '\r' && next == '\n' {
					used += 2
					continue
				}
				if r != '\r' {
					if r, size = utf16.DecodeRune(r, next), 4; r == utf8.RuneError {
						return used, dst, "stands half of a character of UTF-16"
					}
				}
			}
			dst = utf8.AppendRune(dst, r)
			used += size
		}
		return used, dst, ""
	}
}
