package records

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"

	"retcon/internal/fault"
)

// kind says in words what a value is.
func kind(v json.RawMessage) string {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return "nothing"
	}
	switch v[0] {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a text"
	case '[':
		return "a list"
	case '{':
		return "a record"
	}
	return "a number"
}

// shown is what a value is, and the value itself if it is short and no list.
func shown(v json.RawMessage) string {
	switch k := kind(v); k {
	case "a number":
		return "the number " + cut(v)
	case "true or false":
		return string(v)
	default:
		return k
	}
}

// cut is a value, shortened.
func cut(v json.RawMessage) string {
	if len(v) > 40 {
		return string(v[:40]) + ".."
	}
	return string(v)
}

// elements are those of a list.
func elements(v json.RawMessage) []json.RawMessage {
	var out []json.RawMessage
	json.Unmarshal(v, &out) // of a record that was read as JSON already
	return out
}

// unquote is a text; half of a surrogate pair, which encoding/json would replace,
// and zero characters are refused.
func unquote(v json.RawMessage, at string) (string, error) {
	if esc := halfPair(v); esc != "" {
		return "", bad("%s holds the escape %s alone, which is half of a character", code(at), esc)
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return "", bad("%s is no text: %v", code(at), err)
	}
	if strings.ContainsRune(s, 0) {
		return "", bad("%s holds a zero byte", code(at))
	}
	return s, nil
}

// halfPair is the first escape of a surrogate that has no other half.
func halfPair(v []byte) string {
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		r, n := escape(v[i:])
		if n == 0 {
			i++ // the escaped character is no escape itself
			continue
		}
		if utf16.IsSurrogate(r) {
			next, m := escape(v[i+n:])
			if utf16.DecodeRune(r, next) == 0xfffd {
				return string(v[i : i+n])
			}
			n += m
		}
		i += n - 1
	}
	return ""
}

// escape is the code unit of \uXXXX, which b begins with, and its length; 0 if b
// begins with something else.
func escape(b []byte) (rune, int) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, 0
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return 0, 0
	}
	return rune(n), 6
}

func code(name string) string { return "`" + name + "`" }

func bad(format string, args ...any) error { return fault.Errorf(fault.ErrRequest, format, args...) }
