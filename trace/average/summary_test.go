package average

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"retcon/internal/stats"
)

func TestRows(t *testing.T) {
	for _, c := range []struct {
		begin, end, tokens int
		want               string // the row's number of each token; - is none
	}{
		{1, 5, 9, "-01123445"[:9]},
		{0, 3, 7, "0123445"},
		{0, 2, 4, "0235"},
		{2, 3, 6, "--2345"},
		{0, 1, 2, "25"},
		{1, 4, 4, "-012"},
		{1, 2, 2, "-2"},
	} {
		got := ""
		for i := range c.tokens {
			if row, ok := rowOf(i, c.begin, c.end, c.tokens); ok {
				got += fmt.Sprint(int(row))
			} else {
				got += "-"
			}
		}
		if got != c.want {
			t.Errorf("subject [%d,%d) of %d tokens: %s, not %s", c.begin, c.end, c.tokens, got, c.want)
		}
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12) {
		t.Errorf("%s: %g, not %g", what, got, want)
	}
}

// student is Student's quantile for a mean of n values.
func student(n int) float64 { return stats.Around(n, 0, float64(n)).Half() }

// Grids made so that a token's effect is known: corrupted + a figure of its
// row and layer + a figure of the fact.
func constructed(begin, end, tokens, layers int, corrupted, shift float64, effect func(Row, int) float64) [][]float64 {
	grid := make([][]float64, tokens)
	for i := range grid {
		row, ok := rowOf(i, begin, end, tokens)
		for l := range layers {
			v := corrupted
			if ok {
				v += effect(row, l) + shift
			}
			grid[i] = append(grid[i], v)
		}
	}
	return grid
}

func TestSummarise(t *testing.T) {
	s := Settings{Layers: 4, Window: 2, Kinds: []string{Hidden, MLP}, Sever: true}
	effect := func(row Row, l int) float64 { return 0.1*float64(row) + 0.01*float64(l) }
	fact := func(begin, end, tokens int, clean, corrupted, shift float64) Record {
		g := constructed(begin, end, tokens, 4, corrupted, shift, effect)
		series := func(v float64) []float64 {
			return []float64{corrupted + v, corrupted + v, corrupted + v, corrupted + v + shift}
		}
		return Record{
			Status: Traced, Tokens: make([]string, tokens), Range: [2]int{begin, end}, PClean: clean, PCorrupted: corrupted,
			Grids: Grids{Hidden: g, MLP: g, Severed: &Severed{Single: series(0.3), MLPSevered: series(0.2), AttnSevered: series(0.1)}},
		}
	}
	records := []Record{
		fact(1, 5, 9, 0.8, 0.2, 0.02), // all rows
		{Status: Wrong}, {Status: Failed}, {Status: Wrong},
		fact(0, 3, 7, 0.6, 0.1, -0.02), // all rows
		fact(0, 1, 2, 0.7, 0.3, 0.06),  // last subject token and last token
	}
	sum := Summarise(s, records)
	if sum.Read != 6 || sum.Right != 3 || sum.Wrong != 2 || sum.Failed != 1 || sum.Logit != nil {
		t.Errorf("%+v", sum)
	}
	near(t, "clean", sum.Clean.Mean, 0.7)
	near(t, "corrupted", sum.Corrupted.Mean, 0.2)
	near(t, "total", sum.Total.Mean, 0.5)
	// 0.6, 0.5, 0.4: a sample deviation of 0.1
	t2, t3 := student(2), student(3)
	near(t, "half width", sum.Total.Half, t3*0.1/math.Sqrt(3))
	for _, kind := range s.Kinds {
		for row, got := range sum.Indirect[kind] {
			facts, shift, half := 2, 0.0, t2*0.02*math.Sqrt2/math.Sqrt2
			if Row(row) == LastSubject || Row(row) == Last {
				facts, shift, half = 3, 0.02, t3*0.04/math.Sqrt(3)
			}
			if got.Facts != facts || got.Row != Row(row).String() {
				t.Errorf("%s %v: %d facts of %q", kind, Row(row), got.Facts, got.Row)
			}
			for l := range 4 {
				near(t, kind+" "+got.Row, got.Mean[l], effect(Row(row), l)+shift)
				near(t, kind+" "+got.Row+" half", got.Half[l], half)
			}
		}
	}
	near(t, "single", sum.Severed.Single.Mean[0], 0.3)
	near(t, "mlp severed", sum.Severed.MLPSevered.Mean[1], 0.2)
	near(t, "attn severed", sum.Severed.AttnSevered.Mean[2], 0.1)
	near(t, "last layer", sum.Severed.Single.Mean[3], 0.32)
	near(t, "severed half", sum.Severed.Single.Half[3], t3*0.04/math.Sqrt(3))
	near(t, "severed without spread", sum.Severed.Single.Half[0], 0)
}

// Within a fact the tokens of a row are averaged, and each fact counts once
// however many it has there.
func TestFactsCountOnce(t *testing.T) {
	s := Settings{Layers: 1, Window: 1, Kinds: []string{MLP}}
	record := func(middle ...float64) Record {
		grid := [][]float64{{0}}
		for _, m := range middle {
			grid = append(grid, []float64{m})
		}
		grid = append(grid, []float64{0}, []float64{0})
		return Record{Status: Traced, Tokens: make([]string, len(grid)), Range: [2]int{0, len(grid) - 1}, Grids: Grids{MLP: grid}}
	}
	sum := Summarise(s, []Record{record(1, 1, 1, 1, 1, 1), record(0)})
	near(t, "middle", sum.Indirect[MLP][MiddleSubject].Mean[0], 0.5)
}

// The order of facts, and how a measure is called, change nothing but rounding.
func TestLogitMeasure(t *testing.T) {
	s := Settings{Layers: 2, Window: 1, Kinds: []string{MLP}}
	g := constructed(0, 2, 4, 2, 1, 0, func(r Row, l int) float64 { return float64(r) })
	r := Record{Status: Traced, Tokens: make([]string, 4), Range: [2]int{0, 2}, PClean: 0.5, Grids: Grids{MLP: constructed(0, 2, 4, 2, 0, 0, func(Row, int) float64 { return 0 })}}
	r.Logit = &Measure{Clean: 9, Corrupted: 1, Grids: Grids{MLP: g}}
	sum := Summarise(s, []Record{r, r})
	near(t, "logit total", sum.Logit.Total.Mean, 8)
	near(t, "logit effect", sum.Logit.Indirect[MLP][Last].Mean[1], 5)
	near(t, "probability effect", sum.Indirect[MLP][Last].Mean[1], 0)
	// It has no severed runs.
	s.Sever, r.Severed = true, &Severed{Single: make([]float64, 2), MLPSevered: make([]float64, 2), AttnSevered: make([]float64, 2)}
	if err := r.check(s); err != nil {
		t.Error(err)
	}
	if sum := Summarise(s, []Record{r}); sum.Logit == nil || sum.Logit.Severed != nil || sum.Severed == nil {
		t.Errorf("with severed runs: %+v", sum)
	}
	half := r
	half.Logit = nil
	if sum := Summarise(s, []Record{r, half}); sum.Logit != nil {
		t.Error("a measure that one fact lacks is averaged")
	}
}

// What is not known is null or absent, and the summary is always JSON.
func TestFewFacts(t *testing.T) {
	s := Settings{Layers: 2, Window: 1, Kinds: []string{MLP}}
	one := Record{Status: Traced, Tokens: make([]string, 2), Range: [2]int{0, 1}, PClean: 0.5, Grids: Grids{MLP: [][]float64{{0.1, 0.2}, {0, 0}}}}
	for n, want := range []string{
		`"clean":{"facts":0,"mean":null,"half":null}`,
		`"clean":{"facts":1,"mean":0.5,"half":null}`,
		`"clean":{"facts":2,"mean":0.5,"half":0}`,
	} {
		sum := Summarise(s, []Record{one, one}[:n])
		b, err := json.Marshal(sum)
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%d facts: %s, %v", n, b, err)
		}
		if g := Suggest(sum); (g.From >= 0) != (n == 2) {
			t.Errorf("%d facts: %+v", n, g)
		}
	}
}

func TestSuggest(t *testing.T) {
	half := []float64{.05, .05, .05, .05, .05, .05, .05, .05, .05, .05, .05, .05}
	means := []float64{0, 0.1, 0.2, 0.37, 0.40, 0.38, 0.2, 0.36, 0.1, 0, 0, 0}
	for _, c := range []struct {
		name     string
		window   int
		mean     []float64
		from, to int
	}{
		{"windows 3 to 5 reach the peak; 7 does too but is not beside it", 4, means, 2, 5}, // centres 2.5 to 4.5
		{"an odd window's centre is its layer", 3, means, 3, 5},
		{"one layer", 1, means, 3, 5},
		{"a clipped window's centre", 8, []float64{.4, .1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1, 2}, // layers 0 to 3
		{"at the end", 8, []float64{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .1, .4}, 9, 9},                // layers 7 to 11
		{"nothing there", 4, make([]float64, 12), -1, -1},
		{"a window as large as the model", 24, means, -1, -1},
	} {
		byRow := make([]RowMean, rows)
		byRow[LastSubject].Series = Series{Facts: 9, Mean: c.mean, Half: half}
		s := Summary{Layers: 12, Window: c.window, Averages: Averages{Indirect: map[string][]RowMean{MLP: byRow}}}
		g := Suggest(s)
		if g.From != c.from || g.To != c.to || strings.Contains(g.Evidence, "\n") {
			t.Errorf("%s: %+v", c.name, g)
		}
		if c.from >= 0 && !strings.Contains(g.Evidence, "2301.04213") {
			t.Errorf("%s: %q", c.name, g.Evidence)
		}
	}
	if g := Suggest(Summary{}); g.From != -1 || g.Evidence == "" {
		t.Errorf("without FFN outputs: %+v", g)
	}
}
