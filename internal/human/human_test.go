package human

import (
	"math"
	"testing"
)

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", 1234567: "1,234,567", -123: "-123"} {
		if got := Thousands(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for p, want := range map[float64]string{0: "0", 1: "100.0 %", math.Nextafter(1, 0): "> 99.9 %", 0.9994: "99.9 %", 0.1234: "12.3 %", 0.0567: "5.7 %", 0.0001: "0.01 %", 0.00002: "2.0e-05"} {
		if got := Percent(p); got != want {
			t.Errorf("%v: %q, want %q", p, got, want)
		}
	}
}

func TestShare(t *testing.T) {
	for p, want := range map[float64]string{0: "0 %", 1: "100 %", 0.1234: "12 %", 0.0996: "10 %", 0.03: "3.0 %", 0.00096: "0.1 %", 0.00002: "2e-05"} {
		if got := Share(p); got != want {
			t.Errorf("%v: %q, want %q", p, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 KB", 1: "1 KB", 2048: "2 KB", 3 << 19: "1.5 MB", 10 << 20: "10 MB", 5 << 29: "2.5 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// Text of a model cannot move a terminal's cursor, or fill it.
func TestQuote(t *testing.T) {
	for text, want := range map[string]string{"a\n  b": `"a b"`, "\x1b[1m": `"\x1b[1m"`, "\xff": "\"\ufffd\"", "123456": `"1234…"`} {
		if got := Quote(text, 5); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
