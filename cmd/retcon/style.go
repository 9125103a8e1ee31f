package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// style marks up text on a terminal; the zero style leaves it plain.
type style struct{ on bool }

func (s style) code(n, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + n + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string  { return s.code("1", text) }
func (s style) dim(text string) string   { return s.code("2", text) }
func (s style) green(text string) string { return s.code("32", text) }
func (s style) red(text string) string   { return s.code("31", text) }

// quote shows text that a model or a file wrote, on one line and harmless to a
// terminal, with at most n characters of it.
func quote(text string, n int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if utf8.RuneCountInString(text) > n {
		text = string([]rune(text)[:n-1]) + "…"
	}
	return strconv.Quote(text)
}

// percent shows a probability.
func percent(p float64) string {
	switch {
	case p >= 0.9995 && p < 1:
		return "> 99.9 %"
	case p >= 0.1:
		return fmt.Sprintf("%.1f %%", 100*p)
	case p >= 0.0001:
		return fmt.Sprintf("%.2g %%", 100*p)
	case p > 0:
		return fmt.Sprintf("%.1e", p)
	}
	return "0"
}

// bytesText shows a size.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KB", (n+1023)>>10)
}

// thousands shows a count.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// shellQuote makes one word of text for a POSIX shell.
func shellQuote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:,+@%=", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	if !strings.ContainsAny(text, "\"$`\\!\n") {
		return `"` + text + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
