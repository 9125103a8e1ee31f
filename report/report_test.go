package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"retcon/trace/result"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a picture with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs (go test -update rewrites it); got\n%s", name, got)
	}
}

// sample is a trace with early effects at the subject and late ones at the end.
func sample() *result.Trace {
	t := &result.Trace{
		Prompt: "The Space Needle is in", Tokens: []string{"The", " Space", " Needle", " is", " in"}, Subject: [2]int{0, 3},
		Answer: " Seattle", PClean: 0.8, PCorrupted: 0.1, Noise: 0.3516, Samples: 10, Window: 4,
		Grids: result.Grids{Hidden: values(5, 6), MLP: values(5, 6), Attn: values(5, 6), Severed: &result.Severed{
			Single:      []float64{0.15, 0.4, 0.6, 0.5, 0.3, 0.1},
			MLPSevered:  []float64{0.08, 0.1, 0.12, 0.2, 0.3, 0.1},
			AttnSevered: []float64{0.15, 0.38, 0.55, 0.45, 0.3, 0.1},
		}},
	}
	t.Attn[1][1] = math.NaN()
	return t
}

func values(tokens, layers int) [][]float64 {
	v := make([][]float64, tokens)
	for i := range v {
		v[i] = make([]float64, layers)
		for j := range v[i] {
			v[i][j] = 0.1 + 0.65*math.Exp(-math.Pow(float64(i-2), 2)-math.Pow(float64(j-2), 2)/3)
		}
	}
	v[tokens-1][layers-1] = 0.79
	return v
}

func terminal(t *testing.T, tr *result.Trace, o TerminalOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTerminal(&b, tr, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func svg(t *testing.T, tr *result.Trace) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSVG(&b, tr); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for name, o := range map[string]TerminalOptions{
		"plain.txt":  {Width: 60},
		"narrow.txt": {Width: 20},
		"256.txt":    {Width: 60, Colour: Colour256},
		"true.txt":   {Width: 60, Colour: TrueColour},
	} {
		golden(t, name, []byte(terminal(t, sample(), o)))
	}
	golden(t, "trace.svg", svg(t, sample()))
}

// hostile are tokens that would break a line, a tag or a terminal.
func hostile() *result.Trace {
	t := sample()
	t.Prompt = "<script>\x1b]0;x\a\n&\"'"
	t.Tokens = []string{"", "</text><script>&\x1b[2J\r\n", " \u202e👩‍🚀 日本語日本語日本語日本語", "\xf0\x9f", strings.Repeat("e\u0301 ", 40)}
	t.Answer = "\x00]]>\ufffe"
	return t
}

// degenerate are traces whose numbers are of little use.
func degenerate() map[string]*result.Trace {
	out := map[string]*result.Trace{"hostile": hostile()}
	add := func(name string, change func(*result.Trace)) {
		t := sample()
		change(t)
		out[name] = t
	}
	nan := math.NaN()
	add("equal", func(t *result.Trace) { t.PClean, t.PCorrupted = 0.5, 0.5 })
	add("reversed", func(t *result.Trace) { t.PClean, t.PCorrupted = 0.1, 0.95 })
	add("not finite", func(t *result.Trace) { t.PClean, t.PCorrupted, t.Noise = nan, math.Inf(1), math.Inf(-1) })
	add("no value", func(t *result.Trace) {
		t.PCorrupted = nan
		t.Grids = result.Grids{Hidden: [][]float64{{nan}, {nan}, {nan}, {math.Inf(1)}, {nan}}, Severed: &result.Severed{MLPSevered: []float64{nan}}}
	})
	add("one layer", func(t *result.Trace) { t.Hidden, t.MLP, t.Attn = nil, values(5, 1), nil })
	add("200 layers", func(t *result.Trace) {
		t.Grids = result.Grids{Hidden: values(5, 200), Severed: &result.Severed{Single: values(1, 200)[0], AttnSevered: values(1, 200)[0]}}
	})
	add("no subject", func(t *result.Trace) { t.Subject = [2]int{5, 5} })
	add("severed only", func(t *result.Trace) { t.Grids, t.Tokens, t.Subject = result.Grids{Severed: t.Severed}, nil, [2]int{} })
	add("tiny", func(t *result.Trace) { t.PClean, t.PCorrupted = 1e-30, 1e-300 })
	return out
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// No line exceeds the width, and no control character gets through but the
// newline and our own colours.
func TestTerminalFits(t *testing.T) {
	for name, tr := range degenerate() {
		for _, width := range []int{20, 23, 40, 80, 213} {
			for c := NoColour; c <= TrueColour; c++ {
				text := terminal(t, tr, TerminalOptions{Width: width, Colour: c})
				if c == NoColour && strings.Contains(text, "\x1b") {
					t.Errorf("%s: escape sequences without colour", name)
				}
				checkLines(t, name, sgr.ReplaceAllString(text, ""), width)
			}
		}
	}
}

func checkLines(t *testing.T, name, text string, width int) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if columns(line) > width {
			t.Errorf("%s: %d columns, want at most %d: %q", name, columns(line), width, line)
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s: unprintable character in %q", name, line)
		}
	}
}

func TestSVGParses(t *testing.T) {
	for name, tr := range degenerate() {
		b := svg(t, tr)
		checkSafe(t, name, b)
		if !bytes.Equal(b, svg(t, tr)) {
			t.Errorf("%s: two pictures of one trace differ", name)
		}
		checkXML(t, name, b)
	}
}

// checkSafe looks for what no picture holds: text as a tag, numbers that are
// none, sizes below zero.
func checkSafe(t *testing.T, name string, b []byte) {
	t.Helper()
	for _, bad := range []string{"NaN", "Inf", "<script", "<b>", "\"-"} {
		if bytes.Contains(b, []byte(bad)) {
			t.Errorf("%s: holds %s", name, bad)
		}
	}
}

// checkXML counts the elements as it reads them to the end.
func checkXML(t *testing.T, name string, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	count := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s, ok := token.(xml.StartElement); ok {
			count[s.Name.Local]++
		}
	}
	if count["svg"] != 1 || count["desc"] != 1 || count["title"] < 2 {
		t.Errorf("%s: elements %v", name, count)
	}
}

// Every class that a shape uses is defined by the style, light and dark.
func TestSVGStyle(t *testing.T) {
	b := svg(t, sample())
	for _, m := range regexp.MustCompile(`rt-[hma](\d+|bar)"`).FindAll(b, -1) {
		rule := "." + strings.TrimSuffix(string(m), `"`) + "{"
		if n := bytes.Count(b, []byte(rule)); n != 2 {
			t.Errorf("%d rules %s, want 2", n, rule)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, change := range map[string]func(*result.Trace){
		"subject":  func(t *result.Trace) { t.Subject[1] = 9 },
		"backward": func(t *result.Trace) { t.Subject = [2]int{3, 1} },
		"nothing":  func(t *result.Trace) { t.Grids = result.Grids{} },
		"rows":     func(t *result.Trace) { t.Hidden = t.Hidden[:2] },
		"ragged":   func(t *result.Trace) { t.Hidden[1] = nil },
		"cells":    func(t *result.Trace) { t.Hidden = make([][]float64, 5) },
		"tokens":   func(t *result.Trace) { t.Tokens, t.Subject, t.Hidden = nil, [2]int{}, [][]float64{} },
		"series":   func(t *result.Trace) { t.Severed.Single = t.Severed.Single[1:] },
		"empty":    func(t *result.Trace) { t.Severed = &result.Severed{} },
	} {
		tr := sample()
		change(tr)
		if WriteTerminal(io.Discard, tr, TerminalOptions{}) == nil || WriteSVG(io.Discard, tr) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Grids that are estimates say so, and a foil that is the answer draws nothing.
func TestSays(t *testing.T) {
	tr := sample()
	tr.Approx = &result.Approximated{Steps: 1}
	if text := terminal(t, tr, TerminalOptions{}); strings.Count(text, ", estimated") != 3 {
		t.Errorf("three estimates: %s", text)
	}
	tr = measured()
	tr.LogitDifference.Foil = tr.Answer
	if text := terminal(t, tr, TerminalOptions{}); strings.Contains(text, "logit") {
		t.Errorf("no difference: %s", text)
	}
}
