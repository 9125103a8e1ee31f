package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"retcon/trace/result"
)

func TestLabel(t *testing.T) {
	for token, want := range map[string]string{
		"":                 `""`,
		" ":                "·",
		" of":              "·of",
		"a  b  ":           "a  b··",
		"\n":               `\n`,
		"\x1b[31m":         `\x1b[31m`,
		"\xe6\x97":         `\xe6\x97`,
		"\u202e\u00a0":     `\u202e\u00a0`,
		"é日👍":              "é日👍",
		"\U000e0001\ue000": `\U000e0001\ue000`,
	} {
		if got := label(token); got != want {
			t.Errorf("label(%q) = %q, want %q", token, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 4, "日…"}, {"日本語", 5, "日本…"}, {"e\u0301e\u0301e", 2, "e\u0301…"}, {"ab", 1, "…"},
	} {
		if got := cut(c.s, c.n); got != c.want || columns(got) > c.n {
			t.Errorf("cut(%q, %d) = %q, want %q", c.s, c.n, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want []string
	}{
		{"a b c", 5, []string{"a b c"}}, {"ab cd ef", 5, []string{"ab cd", "ef"}}, {"a  b", 4, []string{"a  b"}},
		{"abcdef", 4, []string{"abcd", "ef"}}, {"日本語", 3, []string{"日", "本", "語"}}, {"日本", 1, []string{"日", "本"}}, {"", 9, []string{""}},
	} {
		if got := wrap(c.s, c.n); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.s, c.n, got, c.want)
		}
	}
}

func TestLayout(t *testing.T) {
	for _, c := range []struct{ layers, width int }{{1, 1}, {1, 80}, {30, 60}, {30, 29}, {200, 40}, {7, 3}, {5, -1}} {
		l := layoutOf(c.layers, c.width)
		if l.count*l.cell > max(1, c.width) || l.count*l.merge < c.layers || (l.count-1)*l.merge >= c.layers {
			t.Errorf("layoutOf(%d, %d) = %+v", c.layers, c.width, l)
		}
	}
}

// A strong layer shows however narrow the line.
func TestMergedKeepsPeak(t *testing.T) {
	row := make([]float64, 200)
	row[137] = 1
	row[0], row[1], row[2], row[3], row[4] = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	l := layoutOf(200, 40)
	got := l.merged(row)
	if len(got) != 40 || got[137/l.merge] != 1 || !math.IsNaN(got[0]) {
		t.Errorf("%+v: %v", l, got)
	}
}

func scaleOf(t *result.Trace) scale { return readings(t)[0].coloured().scale }

func TestScale(t *testing.T) {
	s := scaleOf(&result.Trace{PClean: 0.8, PCorrupted: 0.2})
	for v, want := range map[float64]float64{0.2: 0, 0.1: 0, 0.5: 0.5, 0.8: 1, 0.9: 1} {
		if got := s.shade(v); math.Abs(got-want) > 1e-12 {
			t.Errorf("shade(%g) = %g, want %g", v, got, want)
		}
	}
	if s := scaleOf(&result.Trace{PClean: 0.3, PCorrupted: 0.2, Grids: result.Grids{Hidden: [][]float64{{0.6}}}}); s != (scale{0.2, 0.6, false}) {
		t.Errorf("a value above the clean run: %+v", s)
	}
	if got := (scale{0.5, 0.5, false}).shade(0.7); got != 0 {
		t.Errorf("shade on an empty scale: %g", got)
	}
}

// Ramps read the same without their hue.
func TestRampsAreMonotone(t *testing.T) {
	for k := range light {
		for i := range shades - 1 {
			a, b := float64(i)/(shades-1), float64(i+1)/(shades-1)
			for _, r := range []ramp{light[k], lightBelow[k]} {
				if r.at(a).luma() < r.at(b).luma() {
					t.Errorf("kind %v: lightness turns at shade %d", Kind(k), i)
				}
			}
			for _, r := range []ramp{dark[k], darkBelow[k]} {
				if r.at(a).luma() > r.at(b).luma() {
					t.Errorf("kind %v: darkness turns at shade %d", Kind(k), i)
				}
			}
		}
	}
}

func TestPaletteIsMonotone(t *testing.T) {
	for k := range xterm {
		for _, p := range [][8]int{xterm[k], xtermBelow[k]} {
			for i := range len(p) - 1 {
				if a, b := xtermRGB(p[i]), xtermRGB(p[i+1]); a.luma() <= b.luma() {
					t.Errorf("kind %v: %d is no lighter than %d", Kind(k), p[i], p[i+1])
				}
			}
		}
	}
}

// Lines and text show on their ground: WCAG asks for 3 to 1 and 4.5 to 1.
func TestContrast(t *testing.T) {
	grounds := [2]string{"#ffffff", "#15171c"}
	for _, c := range lineInks {
		for i, ground := range grounds {
			if got := contrast(c[i], ground); got < 3 {
				t.Errorf("line %s on %s: %.1f", c[i], ground, got)
			}
		}
	}
	for _, r := range inks {
		if !strings.Contains(r.selector, "text") && !strings.Contains(r.selector, ".rt .rt-") {
			continue
		}
		for i, ink := range [2]string{r.light, r.dark} {
			if got := contrast(ink, grounds[i]); got < 4.5 {
				t.Errorf("%s %s on %s: %.1f", r.selector, ink, grounds[i], got)
			}
		}
	}
}

// contrast is the ratio of WCAG 2.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	n, _ := strconv.ParseUint(hex[1:], 16, 32)
	part := func(shift uint) float64 {
		c := float64(n>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

// xtermRGB is a colour of the cube of 6x6x6.
func xtermRGB(i int) rgb {
	steps := [...]uint8{0, 95, 135, 175, 215, 255}
	i -= 16
	return rgb{steps[i/36], steps[i/6%6], steps[i%6]}
}

func TestColourOf(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Colour
	}{
		{map[string]string{"TERM": "xterm-256color"}, Colour256},
		{map[string]string{"TERM": "xterm", "COLORTERM": "truecolor"}, TrueColour},
		{map[string]string{"COLORTERM": "24bit", "NO_COLOR": "1"}, NoColour},
		{map[string]string{"COLORTERM": "24bit", "TERM": "dumb"}, NoColour},
	} {
		if got := colourOf(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %v, want %v", c.env, got, c.want)
		}
	}
}
