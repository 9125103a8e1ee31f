package mutate

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"unicode/utf16"
)

// tokens are JSON's strings, numbers, words and signs, and YAML's words.
var tokens = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|[A-Za-z_][A-Za-z_0-9]*|[][{}:,&*!|>-]`)

// odd are values that programs trip over.
var odd = []string{
	"", "null", "true", "0", "-1", "-0", "1e999", "-1e999", "1e-999", "9007199254740993", "18446744073709551616", "2147483648", "-2147483649", "0.5", "1e3", "NaN", "Infinity",
	`""`, `" "`, `"\u0000"`, `"\ud800"`, `"\\"`, `"{}"`, `"{} {}"`, `"\n"`, `"x"`, "'x'", "[]", "{}", "[[]]", `[""]`, `{"str": "x"}`, `{"str": null}`, `[null]`, "[1, [2, [3]]]", "*a", "&a", "!!binary x", "- ",
	strings.Repeat("[", 200), strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 20000), `"` + strings.Repeat("é", 1<<16) + `"`, "[" + strings.Repeat("1,", 1<<15) + "1]",
	"\xff", "\xc3", "\x00", "\ufeff", "\u2028", "\r", "\xff\xfe",
}

// Text damages a text of JSON, JSON lines or YAML in one to four places.
func Text(rng *rand.Rand, file []byte) []byte {
	b := bytes.Clone(file)
	for range 1 + rng.IntN(4)*rng.IntN(2) {
		b = textDamages[rng.IntN(len(textDamages))](rng, b)
	}
	return b
}

var textDamages = []func(*rand.Rand, []byte) []byte{
	setToken, setToken, setToken, setToken, dropToken, dropToken, doubleToken, swapTokens, swapTokens,
	func(rng *rand.Rand, b []byte) []byte { return flip(rng, b, len(b)) },
	func(rng *rand.Rand, b []byte) []byte { return flip(rng, b, len(b)) },
	func(rng *rand.Rand, b []byte) []byte { return b[:rng.IntN(len(b)+1)] },
	func(rng *rand.Rand, b []byte) []byte {
		at := rng.IntN(len(b) + 1)
		return splice(b, at, at, []byte(odd[rng.IntN(len(odd))]))
	},
	dropLine, doubleLine, swapLines, encode,
}

// aToken is where a token is; ok is false where there is none.
func aToken(rng *rand.Rand, b []byte) (from, to int, ok bool) {
	at := tokens.FindAllIndex(b[:min(len(b), 1<<18)], -1)
	if len(at) == 0 {
		return 0, 0, false
	}
	t := at[rng.IntN(len(at))]
	return t[0], t[1], true
}

func setToken(rng *rand.Rand, b []byte) []byte {
	if from, to, ok := aToken(rng, b); ok {
		return splice(b, from, to, []byte(odd[rng.IntN(len(odd))]))
	}
	return b
}

func dropToken(rng *rand.Rand, b []byte) []byte {
	if from, to, ok := aToken(rng, b); ok {
		return splice(b, from, to, nil)
	}
	return b
}

func doubleToken(rng *rand.Rand, b []byte) []byte {
	if from, to, ok := aToken(rng, b); ok {
		return splice(b, from, from, b[from:to])
	}
	return b
}

// swapTokens puts one token of the file in the place of another.
func swapTokens(rng *rand.Rand, b []byte) []byte {
	from, to, ok := aToken(rng, b)
	begin, end, _ := aToken(rng, b)
	if ok {
		return splice(b, from, to, bytes.Clone(b[begin:end]))
	}
	return b
}

func lines(b []byte) [][]byte { return bytes.SplitAfter(b, []byte("\n")) }

func dropLine(rng *rand.Rand, b []byte) []byte {
	l := lines(b)
	i := rng.IntN(len(l))
	return bytes.Join(append(l[:i:i], l[i+1:]...), nil)
}

func doubleLine(rng *rand.Rand, b []byte) []byte {
	l := lines(b)
	i := rng.IntN(len(l))
	return bytes.Join(append(l[:i+1:i+1], l[i:]...), nil)
}

func swapLines(rng *rand.Rand, b []byte) []byte {
	l := lines(b)
	i, j := rng.IntN(len(l)), rng.IntN(len(l))
	l[i], l[j] = l[j], l[i]
	return bytes.Join(l, nil)
}

// encode writes the text in another encoding, whole or not.
func encode(rng *rand.Rand, b []byte) []byte {
	switch rng.IntN(4) {
	case 0:
		return append([]byte("\ufeff"), b...)
	case 1:
		return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(string(b))) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out[:len(out)-rng.IntN(2)]
}
