package main

import (
	"strings"
	"unicode"

	"retcon/fact"
	"retcon/internal/human"
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

// How texts and numbers are shown is the same in reports of packages.
var (
	quote     = human.Quote
	percent   = human.Percent
	bytesText = human.Bytes
	thousands = human.Thousands
)

// shellQuote makes one word of text for a POSIX shell.
func shellQuote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:,+@%=", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	if strings.ContainsFunc(text, unicode.IsControl) { // as bash, zsh and ksh read it
		return "$'" + strings.ReplaceAll(fact.Escape(text), "'", `\'`) + "'"
	}
	if !strings.ContainsAny(text, "\"$`\\!") {
		return `"` + text + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
