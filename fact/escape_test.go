package fact

import (
	"slices"
	"testing"
)

func TestUnescape(t *testing.T) {
	for _, c := range []struct {
		text, want string
		read       []string
	}{
		{`Q: Where?\nA: In`, "Q: Where?\nA: In", []string{`\n`}},
		{`a\n\n\tb\r`, "a\n\n\tb\r", []string{`\n`, `\t`, `\r`}},
		{`\"\'\\n`, `"'\n`, []string{`\"`, `\'`, `\\`}},
		{`\x41\xc3\xa9\x4`, `Aé\x4`, []string{`\x41`, `\xc3`, `\xa9`}},
		{`\d \xzz \`, `\d \xzz \`, nil},
		{"plain", "plain", nil},
	} {
		got, read := Unescape(c.text)
		if got != c.want || !slices.Equal(read, c.read) {
			t.Errorf("%q: %q, %q", c.text, got, read)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"a\nb", `\n`, `\\x41`, "\t\r'\"", `C:\new`, "\x1b[31m\x7f\u009b\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, _ := Unescape(Escape(s)); got != s {
			t.Errorf("%q: %q", s, got)
		}
	})
}
