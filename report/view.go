package report

import (
	"fmt"
	"strings"
)

// view is what the writers draw: a trace under one measure, or an average.
type view struct {
	about      string // the picture in a few words
	title      string // heads it
	facts      []string
	rows       []string  // of the grids: tokens, or groups of tokens
	begin, end int       // the subject's rows
	tokens     bool      // the rows are tokens
	counts     []int     // facts in each row; nil in a trace
	grids      []heatMap // with title and axis
	runs       []run
	measure    measure
	scale      scale
}

// measure is what the values are.
type measure struct {
	bar    string  // titles the colour bar
	word   string  // before a value: "p"
	base   float64 // of the corrupted run
	clean  float64
	effect bool // values are effects already
	alone  bool // there is no corrupted run to compare with
}

// view is a trace as it is drawn under a measure; symmetric colours run as far
// below the corrupted value as above it.
func (r reading) view(symmetric bool) view {
	t := r.trace
	v := view{
		about: "Causal trace of " + quoted(t.Prompt), title: quoted(t.Prompt), facts: r.facts(),
		rows: t.Tokens, begin: t.Subject[0], end: t.Subject[1], tokens: true,
		measure: measure{bar: r.bar(), word: "p", base: r.Corrupted, clean: r.Clean},
	}
	if r.name != "" {
		v.measure.word = r.name
	}
	for _, m := range r.maps() {
		v.grids = append(v.grids, m.headed(t.Window))
	}
	if r.Severed != nil {
		v.runs = severedRuns(*r.Severed)
	}
	v.scale = v.scaleOf(symmetric)
	return v
}

// coloured is the view for colours: those of a difference are symmetric.
func (r reading) coloured() view { return r.view(r.name != "") }

// bar is p(answer), with the answer where it is short, or the measure's name.
func (r reading) bar() string {
	if r.name != "" {
		return r.name
	}
	a := strings.TrimSpace(visible(r.trace.Answer))
	if a == "" {
		a = "answer"
	}
	return "p(" + cut(a, 12) + ")"
}

// facts are the sentences under the prompt.
func (r reading) facts() []string {
	t := r.trace
	what := "p(" + quoted(t.Answer) + ")"
	if r.name != "" {
		what = r.name
	}
	s := []string{fmt.Sprintf("%s: %s clean, %s corrupted", what, number(r.Clean), number(r.Corrupted))}
	s = append(s, experiment(t.Noise, t.Samples)...)
	if t.Subject[1] > t.Subject[0] {
		s = append(s, "* marks the subject")
	}
	return s
}

// experiment says how the runs were corrupted.
func experiment(noise float64, samples int) []string {
	var s []string
	if finite(noise) && noise > 0 {
		s = append(s, fmt.Sprintf("noise %.3g", noise))
	}
	if samples > 0 {
		s = append(s, fmt.Sprintf("%d %s", samples, plural(samples, "sample")))
	}
	if len(s) == 0 {
		return nil
	}
	return []string{strings.Join(s, ", ")}
}

// headed fills in a title and the name of the columns.
func (g heatMap) headed(window int) heatMap {
	wide := ""
	if window >= 1 {
		wide = fmt.Sprintf(", window of %d", window)
	}
	switch {
	case g.Title != "":
		g.Title = visible(g.Title)
	case g.Kind == Hidden:
		g.Title = "Restoring the hidden state"
	case g.Kind == MLP:
		g.Title = "Restoring FFN outputs" + wide
	default:
		g.Title = "Restoring attention outputs" + wide
	}
	if g.Approximate {
		g.Title += ", estimated"
	}
	switch {
	case g.Axis != "":
		g.Axis = visible(g.Axis)
	case g.Kind == Hidden || window < 2:
		g.Axis = "single restored layer"
	default:
		g.Axis = fmt.Sprintf("centre of the interval of %d restored layers", window)
	}
	return g
}

// view is an average as it is drawn.
func (a Average) view() view {
	title := visible(a.Title)
	if title == "" {
		title = fmt.Sprintf("Average over %d %s", a.Facts, plural(a.Facts, "fact"))
	}
	v := view{
		about: title, title: title, facts: a.facts(),
		rows: rowNames[:], end: subjectRows, counts: a.Counts[:],
		measure: measure{bar: "mean effect", word: "effect", effect: true},
	}
	for _, g := range a.Grids {
		v.grids = append(v.grids, heatMap{Title: g.Title, Axis: g.Axis, Kind: g.Kind, Values: g.Effect, half: g.Half, Approximate: g.Approximate}.headed(a.Window))
	}
	if a.Severed != nil {
		v.runs = averageRuns(*a.Severed)
	}
	v.measure.clean = v.most()
	v.scale = v.scaleOf(false)
	return v
}

// facts are the sentences under the title.
func (a Average) facts() []string {
	s := []string{
		fmt.Sprintf("%d %s", a.Facts, plural(a.Facts, "fact")),
		fmt.Sprintf("mean p(answer) %s clean, %s corrupted", number(a.Clean), number(a.Corrupted)),
		"total effect " + withHalf(signed(a.Effect), a.EffectHalf),
	}
	s = append(s, experiment(a.Noise, a.Samples)...)
	return append(s, "effects are p(restored) - p(corrupted), ± half of the 95 % interval")
}

// subject says whether a row is the subject's.
func (v view) subject(i int) bool { return i >= v.begin && i < v.end }

// head is the line of facts.
func (v view) head() string { return strings.Join(v.facts, "; ") }

// layers is how many layers the severed runs have.
func (v view) layers() int { return len(v.runs[0].values) }

// say is a value beside what it exceeds the corrupted run by. half is the half
// width of its interval, 0 without one.
func (m measure) say(v, half float64) string {
	if m.effect {
		return "effect " + withHalf(signed(v), half)
	}
	if m.alone {
		return m.word + " " + withHalf(number(v), half)
	}
	return fmt.Sprintf("%s %s, effect %s", m.word, number(v), signed(v-m.base))
}

// withHalf adds the half width of an interval to a number that there is.
func withHalf(s string, half float64) string {
	if s != missing && finite(half) && half > 0 {
		return s + " ± " + number(half)
	}
	return s
}

// cell says all about one cell.
func (v view) cell(g heatMap, i, j int) string {
	return fmt.Sprintf("%s, layer %d, %s", v.row(i), j, v.measure.say(g.Values[i][j], g.halfAt(i, j)))
}

// row names a row in a sentence.
func (v view) row(i int) string {
	if v.tokens {
		return fmt.Sprintf("token %d %s%s", i, name(v.rows[i]), star(v.subject(i)))
	}
	return v.rows[i] + star(v.subject(i))
}

func (g heatMap) halfAt(i, j int) float64 {
	if g.half == nil {
		return 0
	}
	return g.half[i][j]
}

func (r run) halfAt(j int) float64 {
	if r.half == nil {
		return 0
	}
	return r.half[j]
}

// strongestLines name the strongest cells of a panel.
func (v view) strongestLines(g heatMap) []string {
	var lines []string
	for i, c := range v.strongest(g) {
		where := [...]string{"strongest: ", "in the subject: "}[i]
		lines = append(lines, where+v.cell(g, c.row, c.layer))
	}
	if lines == nil {
		return []string{"strongest: none, no value is finite"}
	}
	return lines
}

// peakLine names the strongest layer of a series.
func (v view) peakLine(r run) string { return r.name + ": " + v.peakNote(r) }

func (v view) peakNote(r run) string {
	i := peak(r.values)
	if i < 0 {
		return "no value is finite"
	}
	s := fmt.Sprintf("largest at layer %d, %s", i, v.measure.say(r.values[i], r.halfAt(i)))
	if v.measure.alone {
		low := trough(r.values)
		s += fmt.Sprintf("; smallest at layer %d, %s", low, number(r.values[low]))
	}
	return s
}
