package fact

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unescape reads the escapes in a text as llama.cpp's programs read those of a
// prompt (common.cpp, string_process_escapes): \n, \r, \t, \', \", \\ and \xHH, a
// byte; before anything else a backslash is one. read are those that stood there,
// each once.
func Unescape(text string) (plain string, read []string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		n, to := escapeAt(text[i:])
		if n == 0 {
			b.WriteByte(text[i])
			continue
		}
		b.WriteByte(to)
		if e := text[i : i+n]; !slices.Contains(read, e) {
			read = append(read, e)
		}
		i += n - 1
	}
	return b.String(), read
}

// escapeAt is the length of the escape that text begins with, 0 for none, and the
// byte that it stands for.
func escapeAt(text string) (n int, to byte) {
	if len(text) < 2 || text[0] != '\\' {
		return 0, 0
	}
	switch text[1] {
	case 'n':
		return 2, '\n'
	case 'r':
		return 2, '\r'
	case 't':
		return 2, '\t'
	case '\'', '"', '\\':
		return 2, text[1]
	case 'x':
		if len(text) >= 4 {
			if v, err := strconv.ParseUint(text[2:4], 16, 8); err == nil {
				return 4, byte(v)
			}
		}
	}
	return 0, 0
}

// Escape writes a text so that [Unescape] gives it again, on one line and without
// signs that a terminal obeys.
func Escape(text string) string {
	var b strings.Builder
	for i, r := range text {
		_, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(r), r == utf8.RuneError && n == 1:
			for _, c := range []byte(text[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteString(text[i : i+n])
		}
	}
	return b.String()
}
