package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible is s with all that would not show, or would move a cursor, escaped:
// control and format characters, odd spaces and bytes that are not UTF-8.
func visible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// quoted is visible text between quotation marks.
func quoted(s string) string { return `"` + visible(s) + `"` }

// label is a token as it heads a row: visible, with the spaces at its ends as
// dots. An empty token is a pair of quotation marks.
func label(token string) string {
	s := visible(token)
	if s == "" {
		return `""`
	}
	inner := strings.TrimLeft(s, " ")
	left := len(s) - len(inner)
	inner = strings.TrimRight(inner, " ")
	right := len(s) - left - len(inner)
	return strings.Repeat("·", left) + inner + strings.Repeat("·", right)
}

// name is a token inside a sentence, shortened where it is very long.
func name(token string) string {
	if token == "" {
		return label(token)
	}
	return `"` + cut(label(token), 40) + `"`
}

// columns is how many columns of a terminal s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case wide(r):
		return 2
	}
	return 1
}

// wide follows the ranges of East Asian wide characters and of emoji.
func wide(r rune) bool {
	switch {
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f680 && r <= 0x1f6ff,
		r >= 0x1f900 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return true
	}
	return false
}

// cut shortens s to n columns, with an ellipsis for what is gone.
func cut(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	var b strings.Builder
	used := 0
	for _, r := range s {
		if used+runeColumns(r) > n-1 {
			break
		}
		used += runeColumns(r)
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// pad fills s with spaces on the left.
func pad(s string, n int) string {
	return strings.Repeat(" ", max(0, n-columns(s))) + s
}

// wrap breaks a line so that no part exceeds n columns: at the last space that
// fits, which is dropped, else anywhere.
func wrap(s string, n int) []string {
	var lines []string
	for columns(s) > n {
		at, next := breakAt(s, n)
		lines = append(lines, s[:at])
		if s = s[next:]; s == "" {
			return lines
		}
	}
	return append(lines, s)
}

// breakAt is where the first line of s ends and where the next one begins.
func breakAt(s string, n int) (end, next int) {
	used, space := 0, -1
	for i, r := range s {
		if r == ' ' && i > 0 {
			space = i
		}
		used += runeColumns(r)
		switch {
		case used <= n:
			continue
		case space > 0:
			return space, space + 1
		case i == 0: // one character wider than the line
			i = len(string(r))
		}
		return i, i
	}
	return len(s), len(s)
}

func star(yes bool) string {
	if yes {
		return "*"
	}
	return ""
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// missing stands for a value that is not finite.
const missing = "n/a"

// number prints a value to three digits that matter.
func number(v float64) string {
	switch {
	case !finite(v):
		return missing
	case v != 0 && math.Abs(v) < 0.001:
		return fmt.Sprintf("%.1e", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func signed(v float64) string {
	if s := number(v); !finite(v) || v < 0 {
		return s
	}
	return "+" + number(v)
}
