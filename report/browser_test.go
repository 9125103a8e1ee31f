package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	tipText = `(tip => tip.hidden ? '' : tip.innerText.replaceAll(/[\u2068\u2069]/g, ''))(document.getElementById('tip'))`
	active  = `(e => e.getAttribute('aria-label')?.replaceAll(/[\u2068\u2069]/g, '') ?? e.tagName)(document.activeElement)`
	said    = `document.getElementById('status').textContent`
)

func TestBrowser(t *testing.T) {
	r := openBrowser(t)
	for _, part := range []struct {
		name string
		run  func(*reader)
	}{
		{"trace", readTrace}, {"keys", moveByKeys}, {"theme", chooseTheme}, {"measure", chooseMeasure}, {"downloads", downloadTrace},
		{"accessibility", readTree}, {"average", readAverage}, {"hostile", readHostile}, {"narrow", readNarrow}, {"without script", readWithoutScript},
	} {
		t.Run(part.name, func(t *testing.T) {
			r.t = t
			part.run(r)
			r.clean()
		})
	}
}

func readTrace(r *reader) {
	tr := sample()
	r.open(Page{Trace: tr})
	r.want(tipText, "")
	r.hover(`document.querySelectorAll('table.heat')[1].tBodies[0].rows[2].cells[3]`)
	r.want(tipText, "token 2 ·Needle*, layer 2\np 0.750\ncausal effect +0.650, 93 % of the total")
	r.hover(`document.querySelectorAll('table.heat')[2].tBodies[0].rows[1].cells[2]`)
	r.want(tipText, "token 1 ·Space*, layer 1\np n/a\ncausal effect n/a")
	r.hover(`document.querySelector('.chart [role=row]:nth-of-type(2) [data-layer="4"]')`)
	r.want(tipText, "FFN severed\nlayer 4, p 0.300, effect +0.200")
	r.hover(`document.querySelector('h1')`)
	r.want(tipText, "")
}

func moveByKeys(r *reader) {
	tr := sample()
	r.open(Page{Trace: tr})
	for range 12 {
		if r.press(kb.Tab); ask[bool](r, `document.activeElement.matches('[role=gridcell]')`) {
			break
		}
	}
	r.want(active, "token 2 ·Needle*, layer 2, p 0.750") // the first of the strongest
	for _, k := range []string{kb.ArrowDown, kb.ArrowRight, kb.ArrowUp, kb.ArrowUp, kb.ArrowLeft} {
		r.press(k)
	}
	v := tr.Hidden[1][2]
	r.want(active, "token 1 ·Space*, layer 2, p "+number(v))
	share := fmt.Sprintf("causal effect %s, %.0f %% of the total", signed(v-0.1), 100*(v-0.1)/0.7)
	r.want(tipText, fmt.Sprintf("token 1 ·Space*, layer 2\np %s\n%s", number(v), share))
	r.want(said, share)
	r.press(kb.Escape)
	r.want(tipText, "")
	r.press(kb.Home)
	r.press(kb.ArrowLeft) // there is no further cell
	r.want(active, fmt.Sprintf("token 1 ·Space*, layer 0, p %s", number(tr.Hidden[1][0])))
	r.press(kb.End, chromedp.ModifierCtrl)
	r.want(active, "token 4 ·in, layer 5, p 0.790")
	r.press(kb.Home, chromedp.ModifierCtrl)
	r.want(active, fmt.Sprintf("token 0 The*, layer 0, p %s", number(tr.Hidden[0][0])))
	r.press(kb.Tab) // leaves the grid for the next one
	r.want(`document.activeElement.closest('table').getAttribute('data-grid')`, "1")
	if got := ask[int](r, `Math.max(...[...document.querySelectorAll('[role=grid]')].map(g => g.querySelectorAll('[tabindex="0"]').length))`); got != 1 {
		r.t.Errorf("%d cells of a grid are in the order of Tab", got)
	}
	ask[any](r, `document.querySelector('.chart [role=gridcell]').focus()`)
	r.press(kb.ArrowRight)
	r.press(kb.ArrowDown)
	r.want(active, "FFN severed, layer 1, p 0.100, effect +0.000")
}

func chooseTheme(r *reader) {
	tr := sample()
	r.open(Page{Trace: tr})
	const ground, shade = `getComputedStyle(document.body).backgroundColor`, `getComputedStyle(document.querySelector('.best')).backgroundColor`
	r.want(ground, "rgb(255, 255, 255)")
	before := ask[string](r, shade)
	r.do(chromedp.Click(chromedp.CSS("#theme")))
	r.want(ground, "rgb(21, 23, 28)")
	r.want(`document.getElementById('theme').getAttribute('aria-pressed')`, "true")
	if after := ask[string](r, shade); after == before {
		r.t.Errorf("a cell is %s on both grounds", after)
	}
	r.do(chromedp.Click(chromedp.CSS("#theme")))
	r.want(ground, "rgb(255, 255, 255)")
	r.want(shade, before)
	prefer(r, "dark")
	r.want(ground, "rgb(255, 255, 255)") // the reader has chosen
	r.open(Page{Trace: tr})
	r.want(ground, "rgb(21, 23, 28)")
	r.want(`document.getElementById('theme').getAttribute('aria-pressed')`, "true")
	prefer(r, "")
}

// prefer sets the reader's preference for light or dark.
func prefer(r *reader, scheme string) {
	call(r, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

func chooseMeasure(r *reader) {
	tr := measured()
	r.open(Page{Trace: tr})
	const shown = `[...document.querySelectorAll('.view')].filter(v => v.checkVisibility()).map(v => v.getAttribute('aria-label')).join()`
	r.want(shown, "p(Seattle)")
	r.do(chromedp.Click(chromedp.CSS(`input[value="1"]`)))
	r.want(shown, "logit difference")
	r.want(said, "Showing logit difference")
	r.hover(`document.querySelectorAll('table.heat')[3].tBodies[0].rows[4].cells[6]`)
	v := tr.LogitDifference.Hidden[4][5]
	r.want(tipText, fmt.Sprintf("token 4 ·in, layer 5\nlogit difference %s\ncausal effect %s, %.0f %% of the total", number(v), signed(v+1), 100*(v+1)/5))
}

func downloadTrace(r *reader) {
	tr := measured()
	s := sampleSection()
	r.open(Page{Trace: tr, Sections: []Section{s}})
	raw, _ := dataOf(r.t, page(r.t, Page{Trace: tr, Sections: []Section{s}}))
	if got := r.download("json"); string(got) != string(raw) || !json.Valid(got) {
		r.t.Errorf("the JSON saved differs from the page's data: %.200q", got)
	}
	want := map[string]float64{}
	for _, m := range readings(tr) {
		v := m.coloured()
		for _, g := range v.grids {
			for i, row := range g.Values {
				for j, x := range row {
					want[fmt.Sprint("trace/", v.measure.bar, "/", g.Title, "/", i, "/", j)] = x
				}
			}
		}
		for i, name := range []string{"single", "mlp_severed", "attn_severed"} {
			for j, x := range m.Severed.All()[i] {
				want[fmt.Sprint("severed/", v.measure.bar, "/", name, "//", j)] = x
			}
		}
	}
	for _, l := range s.Series {
		for j, x := range l.Values {
			want[fmt.Sprint(s.Title, "/", s.Name, "/", l.Name, "//", j)] = x
		}
	}
	for _, line := range r.records() {
		if line["measure"] == "table" {
			continue
		}
		key := fmt.Sprint(line["part"], "/", line["measure"], "/", line["panel"], "/", line["row"], "/", line["layer"])
		x, ok := want[key]
		if text := line["value"]; !ok || finite(x) && text != fmt.Sprint(json.Number(jsonNumber(x))) || !finite(x) && text != "" {
			r.t.Errorf("%s: %q, want %g (known: %v)", key, text, x, ok)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		r.t.Errorf("%d values are missing in the table", len(want))
	}
}

// jsonNumber is a number as a script prints it.
func jsonNumber(v float64) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func readTree(r *reader) {
	tr := sample()
	r.open(Page{Trace: tr})
	nodes := call(r, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	names := map[string][]string{}
	for _, n := range nodes {
		if n.Ignored || n.Role == nil || n.Name == nil {
			continue
		}
		var role, name string
		_, _ = json.Unmarshal(n.Role.Value, &role), json.Unmarshal(n.Name.Value, &name)
		names[role] = append(names[role], strings.NewReplacer("\u2068", "", "\u2069", "").Replace(name))
	}
	v := readings(tr)[0].coloured()
	want := []string{v.bars(severedTitle).title + ": p(Seattle) by layer"}
	for _, g := range v.grids {
		want = append(want, v.describeGrid(g))
	}
	slices.Sort(want)
	if got := names["grid"]; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		r.t.Errorf("grids %q, want %q", got, want)
	}
	if got := len(names["gridcell"]); got != 3*5*6+3*6 {
		r.t.Errorf("%d cells", got)
	}
	for role, name := range map[string]string{
		"gridcell": "token 2 ·Needle*, layer 2, p 0.750", "rowheader": "·Needle*", "columnheader": "5", "row": "FFN severed",
		"button": "Dark", "link": "Download CSV", "image": "Colour bar: p(Seattle) from 0.100 to 0.800",
	} {
		if !slices.Contains(names[role], name) {
			r.t.Errorf("no %s is named %q: %.600q", role, name, names[role])
		}
	}
}

func readAverage(r *reader) {
	a := sampleAverage()
	r.open(Page{Average: &a})
	r.want(`document.querySelector('h1').textContent`, "Average over 120 facts")
	r.hover(`document.querySelectorAll('table.heat')[0].tBodies[0].rows[2].cells[5]`)
	r.want(tipText, "last subject token*, layer 4\nmean effect +0.090 ± 0.005\n120 facts")
	r.hover(`document.querySelectorAll('.chart')[0].querySelector('[role=row]:nth-of-type(3) [data-layer="4"]')`)
	r.want(tipText, "last subject token*\nlayer 4, effect +0.090 ± 0.005")
	effects := 0
	for _, line := range r.records() {
		if line["part"] == "average" && line["panel"] == "Restoring the hidden state" && line["row"] == "2" && line["layer"] == "4" {
			effects++
			if line["effect"] != jsonNumber(a.Grids[0].Effect[2][4]) || line["half_width"] != jsonNumber(a.Grids[0].Half[2][4]) || line["facts"] != "120" || line["subject"] != "1" {
				r.t.Errorf("saved %v", line)
			}
		}
	}
	if effects != 1 {
		r.t.Errorf("the cell is saved %d times", effects)
	}
}

func readHostile(r *reader) {
	p := degeneratePages()["all hostile"]
	r.open(p)
	if got := ask[int](r, `document.querySelectorAll('script').length`); got != 2 {
		r.t.Errorf("%d scripts", got)
	}
	r.hover(`document.querySelectorAll('table.heat')[0].tBodies[0].rows[1].cells[2]`)
	if got := ask[string](r, tipText); !strings.Contains(got, `</text><script>&\x1b[2J\r\n`) {
		r.t.Errorf("tooltip %q", got)
	}
	for _, line := range r.records() {
		for column, text := range line {
			number := column == "value" || column == "effect" || column == "layer"
			if !number && text != "" && strings.ContainsAny(text[:1], "=+-@\t\r") {
				r.t.Errorf("a spreadsheet would take %s %q for a formula", column, text)
			}
		}
	}
}

// The page never scrolls sideways; wide grids scroll by themselves.
func readNarrow(r *reader) {
	tr := degenerate()["200 layers"]
	a := sampleAverage()
	r.do(chromedp.EmulateViewport(360, 740))
	r.open(Page{Trace: tr, Average: &a, Sections: []Section{sampleSection(), degenerateSections()["long"]}})
	if got := ask[int](r, `document.documentElement.scrollWidth`); got > 360 {
		r.t.Errorf("the page is %d pixels wide, the window 360", got)
	}
	ask[any](r, `document.querySelector('.best').focus()`)
	r.press(kb.End)
	if !ask[bool](r, `(b => b.left >= 0 && b.right <= 360)(document.activeElement.getBoundingClientRect())`) {
		r.t.Error("the cell that has the focus is out of sight")
	}
	if !ask[bool](r, `(b => b.left >= 0 && b.right <= 360 && b.width > 0)(document.getElementById('tip').getBoundingClientRect())`) {
		r.t.Error("its tooltip is out of sight")
	}
	r.do(chromedp.EmulateViewport(1280, 900))
}

func readWithoutScript(r *reader) {
	tr := measured()
	call(r, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	r.open(Page{Trace: tr})
	call(r, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{}) // so that the test can ask
	const shown = `[...document.querySelectorAll('.view, .tools, fieldset')].filter(v => v.checkVisibility()).length`
	if got := ask[int](r, shown); got != 2 {
		r.t.Errorf("%d parts are shown, want both measures and no control", got)
	}
	if got := ask[string](r, `getComputedStyle(document.querySelector('.best')).backgroundColor`); got == "rgba(0, 0, 0, 0)" {
		r.t.Error("cells have no colour")
	}
}
