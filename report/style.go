package report

import (
	"fmt"
	"strings"
)

// rule is a colour of a style sheet on a light ground and on a dark one.
type rule struct{ selector, property, light, dark string }

// shapes is what the style of a picture says besides colours.
const shapes = `.rt{font:12px "DejaVu Sans",system-ui,sans-serif}
.rt text{white-space:pre}.rt .rt-h{font-size:14px;font-weight:600}.rt .rt-n{font-size:10px}
.rt .rt-p{font-size:13px;font-weight:600}.rt .rt-s{font-weight:700}.rt-frame,.rt-halo,.rt-best,.rt-line,.rt-whisker,.rt-grid,.rt-tick{fill:none}
.rt-halo{stroke-width:4}.rt-best{stroke-width:2}.rt-cell:hover{stroke-width:1.5}
.rt-line{stroke-width:1.5;stroke-linejoin:round}.rt-strong{stroke-width:2.75}.rt-band{opacity:.16}.rt-whisker{stroke-width:1}
`

// inks are the colours of a picture besides its shades.
var inks = []rule{
	{".rt text", "fill", "#1f2328", "#e6edf3"},
	{".rt .rt-m", "fill", "#57606a", "#9da7b3"},
	{".rt .rt-n", "fill", "#57606a", "#9da7b3"},
	{".rt-page", "fill", "#ffffff", "#15171c"},
	{".rt-frame,.rt-tick", "stroke", "#8c959f", "#6e7681"},
	{".rt-grid", "stroke", "#e2e7ec", "#2c313a"},
	{".rt-none", "fill", "#d0d7de", "#484f58"},
	{".rt-halo", "stroke", "#ffffff", "#15171c"},
	{".rt-best", "stroke", "#000000", "#ffffff"},
	{".rt-cell:hover", "stroke", "#000000", "#ffffff"},
	{".rt-whisker", "stroke", "#1f2328", "#e6edf3"},
}

// lineInks are the colours of lines, told apart by any eye, each at least three
// to one against the ground. dashes tell them apart without colour.
var (
	lineInks = [...][2]string{
		{"#1f6fb2", "#6db3f2"}, {"#9a6700", "#d9a441"}, {"#6a2ea0", "#c9a0ff"},
		{"#00776c", "#4fd1c5"}, {"#c8365d", "#ff8fa6"}, {"#57606a", "#b1bac4"},
	}
	dashes = [...]string{"none", "7 3", "none", "2 2", "8 3 2 3", "1.5 3"}
)

// lineRules are the colours of lines, of the bands around and the marks on them.
func lineRules() []rule {
	var out []rule
	for i, c := range lineInks {
		out = append(out,
			rule{fmt.Sprintf(".rt-l%d", i), "stroke", c[0], c[1]},
			rule{fmt.Sprintf(".rt-f%d", i), "fill", c[0], c[1]})
	}
	return out
}

// shadeRule is the colour of a shade of a kind of grid; the property is what a picture
// or a page paints with.
func shadeRule(class, property string, k Kind, level int, symmetric bool) rule {
	shade := float64(level) / (shades - 1)
	return rule{"." + class, property, lightTheme.at(k, shade, symmetric).hex(), darkTheme.at(k, shade, symmetric).hex()}
}

// barRules are the colours of a kind's bars.
func barRules() []rule {
	var out []rule
	for k := Hidden; k <= Attn; k++ {
		out = append(out, rule{".rt-" + k.letter() + "bar", "fill", light[k].at(barShade).hex(), dark[k].at(barShade).hex()})
	}
	return out
}

// letter stands for a kind in the names of classes.
func (k Kind) letter() string { return k.String()[:1] }

// byPreference writes rules that follow the reader's preference.
func byPreference(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s{%s:%s}\n", r.selector, r.property, r.light)
	}
	b.WriteString("@media (prefers-color-scheme:dark){\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "%s{%s:%s}\n", r.selector, r.property, r.dark)
	}
	b.WriteString("}\n")
	return b.String()
}

// byScheme writes rules that follow the colour scheme of the page, which its
// reader can choose. A browser that does not know light-dark shows light.
func byScheme(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s{%s:%s;%s:light-dark(%s,%s)}\n", r.selector, r.property, r.light, r.property, r.light, r.dark)
	}
	return b.String()
}
