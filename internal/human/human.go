// Package human writes numbers and texts for people to read.
package human

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Short is a text of another program, cut to n characters and on one line: what
// it quotes may be a whole file.
func Short(text string, n int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if utf8.RuneCountInString(text) > n {
		text = string([]rune(text)[:n-1]) + "…"
	}
	return text
}

// Quote shows a text in n characters at most, on one line.
func Quote(text string, n int) string {
	return strconv.Quote(Short(text, n))
}

// Line makes one printable line of a text that may come from a file or its name.
func Line(s string) string { return Printable(strings.Join(strings.Fields(s), " ")) }

// Printable writes what a terminal would obey, or not show, as escapes.
func Printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Percent shows a probability in a table. In a sentence it is Share.
func Percent(p float64) string {
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

// Share shows a probability in a sentence: in whole percents where it has some.
func Share(p float64) string {
	switch {
	case p >= 0.0995:
		return fmt.Sprintf("%.0f %%", 100*p)
	case p >= 0.00095:
		return fmt.Sprintf("%.1f %%", 100*p)
	case p > 0:
		return fmt.Sprintf("%.0e", p)
	}
	return "0 %"
}

// Bytes shows a size.
func Bytes(n int64) string {
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

// Thousands shows a count.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Counted is a count of things, by their name in the singular.
func Counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// About shows a duration that is known roughly.
func About(seconds float64) string {
	switch {
	case seconds < 1:
		return "a second"
	case seconds < 60:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 5400:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
