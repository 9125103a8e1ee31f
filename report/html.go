package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string

	pageTemplate = template.Must(template.New("page").Parse(pageHTML))
)

// WriteHTML writes one page that needs nothing besides: no network, no other
// file. It shows without its script, which adds values on hover and focus, keys,
// downloads of the data as JSON and CSV, and the choice of light or dark.
func WriteHTML(w io.Writer, p Page) error {
	if err := p.check(); err != nil {
		return err
	}
	d, err := newPageDoc(p)
	if err != nil {
		return err
	}
	return pageTemplate.Execute(w, d)
}

// pageDoc is what the template of a page takes. Its text is visible text.
type pageDoc struct {
	Policy, Title, Heading, File string
	Style, Script, Data          template.HTML
	Notes                        []string
	Trace                        *traceDoc
	Average                      *averageDoc
	Sections                     []sectionDoc
}

// fact is a name and its value.
type fact struct{ Name, Value string }

func newPageDoc(p Page) (*pageDoc, error) {
	data, err := pageData(p)
	if err != nil {
		return nil, err
	}
	d := &pageDoc{Title: visible(p.Title), Heading: visible(p.Title), File: "retcon", Notes: visibleAll(p.Notes)}
	s := &sheet{picture: picture{page: true}}
	if p.Trace != nil {
		d.name("Causal trace", "Causal trace of "+quoted(p.Trace.Prompt), "trace")
		d.Trace = s.trace(p.Trace)
	}
	if p.Average != nil {
		title := p.Average.view().title
		d.name(title, title, "average")
		d.Average = s.average(*p.Average, d.Heading == title)
	}
	for _, one := range p.Sections {
		d.name(visible(one.Title), visible(one.Title), "results")
		d.Sections = append(d.Sections, s.section(one))
	}
	// All three are our own text, or escaped: the data by encoding/json.
	d.Style, d.Script = template.HTML("<style>"+s.css()+"</style>"), template.HTML("<script>"+pageJS+"</script>")
	d.Data = template.HTML(`<script type="application/json" id="data">` + string(data) + `</script>`)
	d.Policy = "default-src 'none'; img-src data:; style-src " + digest(s.css()) + "; script-src " + digest(pageJS) + "; base-uri 'none'; form-action 'none'"
	return d, nil
}

// name is the heading, title and file name of the first part shown.
func (d *pageDoc) name(heading, title, file string) {
	if d.Heading == "" {
		d.Heading = heading
	}
	if d.Title == "" {
		d.Title = cut(title, 120)
	}
	if d.File == "retcon" {
		d.File += "-" + file
	}
}

// digest is how a content security policy names the one text it lets in.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// sheet collects the styles that the parts of a page use.
type sheet struct {
	picture picture // the shades used
	widths  map[int]bool
	ramps   map[string]string
}

// css is the style of the whole page.
func (s *sheet) css() string {
	rules := append(inks[:len(inks):len(inks)], barRules()...)
	rules = append(rules, lineRules()...)
	rules = append(rules, s.picture.shadeRules("background-color")...)
	var b strings.Builder
	b.WriteString(shapes + byScheme(rules))
	for _, w := range sorted(s.widths) {
		fmt.Fprintf(&b, ".w%d td{width:%dpx;min-width:%dpx}\n", w, w, w)
	}
	for _, name := range sorted(s.ramps) {
		b.WriteString(s.ramps[name])
	}
	return b.String() + pageCSS
}
