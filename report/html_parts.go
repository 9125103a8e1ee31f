package report

import (
	"html/template"
	"strconv"
	"strings"

	"retcon/trace/result"
)

// viewDoc is the figures of a page under one measure.
type viewDoc struct {
	Name   string
	Facts  []fact
	Panels []panelDoc
	Charts []chartDoc
	Values []valuesDoc
}

type traceDoc struct {
	Prompt *[3]string // before the subject, the subject, after it
	Facts  []fact
	Views  []viewDoc
}

type averageDoc struct {
	Title, Suggestion string
	Facts             []fact
	View              viewDoc
}

type sectionDoc struct {
	Title  string
	Text   []string
	Chart  *chartDoc
	Table  *Table
	Values []valuesDoc
}

// chartDoc is a plot and its key.
type chartDoc struct {
	Title, Axis string
	Drawing     template.HTML
	Key         []keyDoc
}

type keyDoc struct {
	Sample     template.HTML
	Name, Note string
}

// valuesDoc is a table of numbers over the layers.
type valuesDoc struct {
	Caption, Of string
	Layers      []int
	Rows        []rowDoc
}

// trace is a trace under each of its measures.
func (s *sheet) trace(t *result.Trace) *traceDoc {
	d := &traceDoc{Prompt: promptParts(t)}
	d.Facts = append(d.Facts, fact{"Answer", quoted(t.Answer)})
	all := readings(t)
	if len(all) == 1 {
		d.Facts = append(d.Facts, all[0].levels()...)
	}
	if finite(t.Noise) && t.Noise > 0 {
		d.Facts = append(d.Facts, fact{"Noise", strconv.FormatFloat(t.Noise, 'g', 3, 64)})
	}
	if t.Samples > 0 {
		d.Facts = append(d.Facts, fact{"Samples", strconv.Itoa(t.Samples)})
	}
	if t.Window > 0 {
		d.Facts = append(d.Facts, fact{"Window", strconv.Itoa(t.Window) + " " + plural(t.Window, "layer")})
	}
	if t.Subject[1] > t.Subject[0] {
		d.Facts = append(d.Facts, fact{"Marks", "* subject, frame: strongest"})
	}
	for i, r := range all {
		v := s.view(r.coloured(), "trace", i)
		v.Name, v.Facts = r.bar(), r.levels()
		d.Views = append(d.Views, v)
	}
	return d
}

// levels are the values of the clean and the corrupted run.
func (r reading) levels() []fact {
	bar := r.bar()
	return []fact{
		{bar + ", clean", number(r.Clean)}, {bar + ", corrupted", number(r.Corrupted)},
		{"Total effect", signed(r.Clean - r.Corrupted)},
	}
}

// promptParts are the prompt cut at the subject; nil without a prompt.
func promptParts(t *result.Trace) *[3]string {
	if t.Prompt == "" {
		return nil
	}
	subject := strings.TrimSpace(strings.Join(t.Tokens[t.Subject[0]:t.Subject[1]], ""))
	at := strings.Index(t.Prompt, subject)
	if subject == "" || at < 0 {
		return &[3]string{quoted(t.Prompt)}
	}
	end := at + len(subject)
	return &[3]string{`"` + visible(t.Prompt[:at]), visible(subject), visible(t.Prompt[end:]) + `"`}
}

// view is panels, bars and numbers.
func (s *sheet) view(v view, part string, measure int) viewDoc {
	var d viewDoc
	for i, g := range v.grids {
		d.Panels = append(d.Panels, s.panel(v, part, measure, i))
		d.Values = append(d.Values, v.gridValues(g))
	}
	if len(v.runs) > 0 {
		title := severedTitle
		if v.measure.effect {
			title = severedMeanTitle
		}
		n := v.bars(title)
		d.Charts = append(d.Charts, s.chart(n))
		d.Values = append(d.Values, n.values())
	}
	return d
}

// average is an average, its title left out where it heads the page.
func (s *sheet) average(a Average, titled bool) *averageDoc {
	v := a.view()
	d := &averageDoc{Suggestion: visible(a.Suggestion), View: s.view(v, "average", 0)}
	if !titled {
		d.Title = v.title
	}
	d.Facts = []fact{
		{"Facts", strconv.Itoa(a.Facts)},
		{"p(answer), clean", number(a.Clean)}, {"p(answer), corrupted", number(a.Corrupted)},
		{"Total effect", withHalf(signed(a.Effect), a.EffectHalf)},
	}
	for _, e := range experiment(a.Noise, a.Samples) {
		d.Facts = append(d.Facts, fact{"Corrupted by", e})
	}
	d.Facts = append(d.Facts, fact{"Effect", "p(restored) - p(corrupted), ± half of the 95 % interval"})
	var lines []chartDoc
	for _, g := range v.grids {
		lines = append(lines, s.chart(v.lines(g)))
	}
	d.View.Charts = append(lines, d.View.Charts...)
	return d
}

func (s *sheet) section(one Section) sectionDoc {
	d := sectionDoc{Title: visible(one.Title), Text: visibleAll(one.Text)}
	if len(one.Series) > 0 {
		n := one.plot()
		c := s.chart(n)
		c.Title = n.value + " by " + n.axis
		d.Chart = &c
		d.Values = []valuesDoc{n.values()}
	}
	if one.Table != nil {
		t := visibleTable(*one.Table)
		d.Table = &t
	}
	return d
}

// chart draws a plot; title, axis and key are the page's text.
func (s *sheet) chart(n plot) chartDoc {
	p := picture{page: true}
	c := p.chart(n, 0, 18)
	body := p.String()
	width, height := c.x+c.w+8, c.y+chartHeight+20
	p.Reset()
	p.printf("<svg class=\"rt\" role=\"grid\" aria-readonly=\"true\" aria-label=\"%s\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n%s</svg>",
		escape(n.title+": "+n.value+" by layer"), width, height, width, height, body)
	d := chartDoc{Title: n.title, Axis: n.axis, Drawing: template.HTML(p.String())}
	for _, one := range n.series {
		p.Reset()
		p.printf("<svg class=\"rt\" aria-hidden=\"true\" width=\"26\" height=\"14\">")
		p.sample(n, one, 0, 7)
		p.printf("</svg>")
		d.Key = append(d.Key, keyDoc{template.HTML(p.String()), one.name, one.note})
	}
	return d
}

// gridValues are a grid's numbers.
func (v view) gridValues(g heatMap) valuesDoc {
	d := valuesDoc{Caption: g.Title + ": " + v.measure.bar, Of: v.of(), Layers: layerNumbers(g.layers())}
	for i, values := range g.Values {
		row := v.rowDoc(i)
		for j, value := range values {
			row.Texts = append(row.Texts, withHalf(number(value), g.halfAt(i, j)))
		}
		d.Rows = append(d.Rows, row)
	}
	return d
}

// values are a plot's numbers.
func (n plot) values() valuesDoc {
	d := valuesDoc{Caption: n.title + ": " + n.value, Of: "series", Layers: layerNumbers(n.layers())}
	for _, s := range n.series {
		row := rowDoc{Label: s.name}
		for j := range n.layers() {
			text := ""
			if j < len(s.values) {
				text = withHalf(number(s.values[j]), s.halfAt(j))
			}
			row.Texts = append(row.Texts, text)
		}
		d.Rows = append(d.Rows, row)
	}
	return d
}

func layerNumbers(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
