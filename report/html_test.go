package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"retcon/trace/result"
)

func page(t *testing.T, p Page) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// measured is the sample with a second measure, which falls below the corrupted
// value.
func measured() *result.Trace {
	t := sample()
	rows := func(of [][]float64) [][]float64 {
		var rows [][]float64
		for _, row := range of {
			var out []float64
			for j, v := range row {
				out = append(out, 6*v-1.6-0.2*float64(j))
			}
			rows = append(rows, out)
		}
		return rows
	}
	t.LogitDifference = &result.LogitDifference{Foil: " Paris", Measure: result.Measure{Clean: 4, Corrupted: -1, Grids: result.Grids{
		Hidden: rows(t.Hidden), MLP: rows(t.MLP), Attn: rows(t.Attn), Severed: &result.Severed{Single: []float64{-1, 0, 2, 1, 0, -1.5}},
	}}}
	return t
}

var ownText = regexp.MustCompile(`(?s)<style>.*</style>|<script>.*?</script>|sha256-[^ ]*`)

// The style and the script are left out: they are files of their own.
func TestHTMLGolden(t *testing.T) {
	tr, a := measured(), sampleAverage()
	golden(t, "trace.html", ownText.ReplaceAll(page(t, Page{Trace: tr, Sections: []Section{sampleSection()}, Notes: []string{"a note"}}), nil))
	golden(t, "average.html", ownText.ReplaceAll(page(t, Page{Average: &a}), nil))
}

// degeneratePages are all pages of little use, and one with everything.
func degeneratePages() map[string]Page {
	out := map[string]Page{}
	for name, tr := range degenerate() {
		out["trace, "+name] = Page{Trace: tr}
	}
	for name, a := range degenerateAverages() {
		out["average, "+name] = Page{Average: &a}
	}
	for name, s := range degenerateSections() {
		out["section, "+name] = Page{Sections: []Section{s}}
	}
	h, a := hostile(), degenerateAverages()["hostile"]
	h.LogitDifference = &result.LogitDifference{Foil: "</label><script>", Measure: result.Measure{Clean: math.NaN(), Grids: h.Grids}}
	out["all hostile"] = Page{
		Title: "</title><script>alert(1)</script>\u202e\x00", Notes: []string{"<b>&amp;", "\xff"},
		Trace: h, Average: &a, Sections: []Section{degenerateSections()["hostile"]},
	}
	return out
}

// elements are all that a page may consist of.
var elements = strings.Fields(`html head meta link title style body header h1 h2 h3 div a button main p q mark section dl dt dd fieldset legend label input
	figure figcaption table caption thead tbody tr th td span bdi ul li details summary svg g rect circle path text script`)

// No text becomes a tag, an attribute that acts, an address, or a character that
// would not show; there is one style and one script, those that the policy names.
func TestHTMLIsSafe(t *testing.T) {
	for name, p := range degeneratePages() {
		b := page(t, p)
		if !bytes.Equal(b, page(t, p)) {
			t.Errorf("%s: two pages of one input differ", name)
		}
		if i := bytes.IndexFunc(b, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s: unprintable character in %q", name, b[i:min(len(b), i+20)])
		}
		if m := regexp.MustCompile(`https?:|NaN|[+-]Inf`).Find(ownText.ReplaceAll(b, nil)); m != nil {
			t.Errorf("%s: holds %s", name, m)
		}
		checkElements(t, name, b)
		checkPolicy(t, name, b)
	}
}

func checkElements(t *testing.T, name string, b []byte) {
	t.Helper()
	z := html.NewTokenizer(bytes.NewReader(b))
	count := map[string]int{}
	open := map[string]int{}
	for {
		switch z.Next() {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				t.Fatalf("%s: %v", name, z.Err())
			}
			for tag, n := range open {
				if n != 0 && !slices.Contains([]string{"meta", "link", "input"}, tag) {
					t.Errorf("%s: %d %s more opened than closed", name, n, tag)
				}
			}
			if count["script"] != 2 || count["style"] != 1 {
				t.Errorf("%s: %d scripts, %d styles", name, count["script"], count["style"])
			}
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			checkElement(t, name, token)
			count[token.Data]++
			if token.Type == html.StartTagToken {
				open[token.Data]++
			}
		case html.EndTagToken:
			open[z.Token().Data]--
		}
	}
}

func checkElement(t *testing.T, name string, token html.Token) {
	t.Helper()
	if !slices.Contains(elements, token.Data) {
		t.Errorf("%s: element %s", name, token.Data)
	}
	for _, a := range token.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "action":
			t.Errorf("%s: attribute %s", name, a.Key)
		case a.Key == "href" && a.Val != "#data" && a.Val != "data:,":
			t.Errorf("%s: a link to %s", name, a.Val)
		}
	}
}

// checkPolicy compares the policy with the style and the script that are there.
func checkPolicy(t *testing.T, name string, b []byte) {
	t.Helper()
	for _, tag := range []string{"style", "script"} {
		m := regexp.MustCompile(`(?s)<` + tag + `>(.*?)</` + tag + `>`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("%s: no %s", name, tag)
		}
		// A policy in an attribute has its quotation marks and plus signs escaped.
		policy := html.UnescapeString(string(regexp.MustCompile(`content="(default-src[^"]*)"`).FindSubmatch(b)[1]))
		if !strings.Contains(policy, tag+"-src "+digest(string(m[1]))) {
			t.Errorf("%s: the policy does not let the %s in: %s", name, tag, policy)
		}
	}
}

// dataOf reads the data block of a page.
func dataOf(t *testing.T, b []byte) (raw []byte, d map[string]any) {
	t.Helper()
	m := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindSubmatch(b)
	if m == nil {
		t.Fatal("no data block")
	}
	if err := json.Unmarshal(m[1], &d); err != nil {
		t.Fatal(err)
	}
	return m[1], d
}

// The data hold every number as it was, and null for one that is not finite.
func TestHTMLData(t *testing.T) {
	tr := measured()
	_, d := dataOf(t, page(t, Page{Trace: tr}))
	measures := d["trace"].(map[string]any)["measures"].([]any)
	for k, m := range readings(tr) {
		for i, g := range m.maps() {
			rows := measures[k].(map[string]any)["grids"].([]any)[i].(map[string]any)["values"].([]any)
			for r, row := range g.Values {
				for j, want := range row {
					got, ok := rows[r].([]any)[j].(float64)
					if ok != finite(want) || ok && got != want {
						t.Errorf("measure %d, grid %d, [%d][%d]: %v, want %g", k, i, r, j, got, want)
					}
				}
			}
		}
	}
}

// Text comes back from the data as it was, but for bytes that are no UTF-8; the
// data are in ASCII.
func TestHTMLDataText(t *testing.T) {
	tr := hostile()
	tr.Tokens[3] = "\U0001f469 日本 \u2028 </script>"
	raw, d := dataOf(t, page(t, Page{Trace: tr}))
	if i := bytes.IndexFunc(raw, func(r rune) bool { return r < ' ' || r > '~' || r == '<' }); i >= 0 {
		t.Errorf("the data hold %q", raw[i])
	}
	for i, token := range d["trace"].(map[string]any)["tokens"].([]any) {
		if want := strings.ToValidUTF8(tr.Tokens[i], "\ufffd"); token != want {
			t.Errorf("token %d: %q, want %q", i, token, want)
		}
	}
	if got := d["trace"].(map[string]any)["prompt"]; got != tr.Prompt {
		t.Errorf("prompt %q", got)
	}
}

// Every cell is a cell of a grid, in its row, with its value as text.
func TestHTMLGrids(t *testing.T) {
	tr := measured()
	doc, err := html.Parse(bytes.NewReader(page(t, Page{Trace: tr})))
	if err != nil {
		t.Fatal(err)
	}
	tables := withRole(doc, "table", "grid")
	if len(tables) != 6 {
		t.Fatalf("%d tables that are grids, want 6", len(tables))
	}
	for n, table := range tables {
		g := readings(tr)[n/3].maps()[n%3]
		rows := withRole(table, "tr", "row")[1:] // the first numbers the layers
		if len(rows) != len(g.Values) {
			t.Fatalf("grid %d: %d rows", n, len(rows))
		}
		for i, row := range rows {
			cells := withRole(row, "td", "gridcell")
			if len(cells) != len(g.Values[i]) {
				t.Fatalf("grid %d: %d cells", n, len(cells))
			}
			for j, c := range cells {
				if got := c.FirstChild.Data; got != number(g.Values[i][j]) {
					t.Errorf("grid %d, [%d][%d]: %s, want %g", n, i, j, got, g.Values[i][j])
				}
			}
		}
	}
}

func withRole(n *html.Node, tag, role string) []*html.Node {
	var out []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == tag && slices.Contains(d.Attr, html.Attribute{Key: "role", Val: role}) {
			out = append(out, d)
		}
	}
	return out
}

// Every shade that a cell has is defined.
func TestHTMLStyle(t *testing.T) {
	for name, p := range degeneratePages() {
		b := page(t, p)
		used := map[string]bool{}
		for _, m := range regexp.MustCompile(`(rt-[hma]d?\d+|ramp-rt-[hma]d?0|\bw\d+)[ "]`).FindAllSubmatch(b, -1) {
			used[string(m[1])] = true
		}
		for class := range maps.Keys(used) {
			if !bytes.Contains(b, []byte("."+class+"{")) && !bytes.Contains(b, []byte("."+class+" td{")) {
				t.Errorf("%s: class %s is not defined", name, class)
			}
		}
	}
}

func TestHTMLRefuses(t *testing.T) {
	bad, badAverage := sample(), sampleAverage()
	bad.Subject[1] = 9
	badAverage.Grids[0].Effect = nil
	ragged := measured()
	ragged.LogitDifference.Hidden = [][]float64{}
	for name, p := range map[string]Page{
		"nothing": {Title: "x"}, "trace": {Trace: bad}, "average": {Average: &badAverage}, "measure": {Trace: ragged},
	} {
		if WriteHTML(io.Discard, p) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A symmetric scale has the corrupted value in its middle and every value on it.
func TestSymmetricScale(t *testing.T) {
	tr := measured()
	v := readings(tr)[1].coloured()
	least, most := v.extent()
	if s := v.scale; s.shade(-1) != 0.5 || s.floor > least || s.top < most || s.top < 4 {
		t.Errorf("scale %+v for %g to %g", s, least, most)
	}
	for _, dark := range []theme{lightTheme, darkTheme} {
		for k := Hidden; k <= Attn; k++ {
			if dark.at(k, 0.5, true) != dark.grey || dark.at(k, 0, true) == dark.at(k, 1, true) {
				t.Errorf("kind %v: the middle is not grey, or the ends are alike", k)
			}
		}
	}
	text := terminal(t, tr, TerminalOptions{})
	if !strings.Contains(text, "logit difference: 4.000 clean, -1.000 corrupted") {
		t.Errorf("got %s", text)
	}
}
