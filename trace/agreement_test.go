package trace

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"retcon/internal/shard"
	"retcon/internal/testfile"
	"retcon/llama"
)

// agreement is how estimates of one grid compare with exact ones.
type agreement struct {
	facts, strongest int
	rank             float64
}

// TestAgreement compares estimates with exact traces on as many known facts as
// RETCON_AGREEMENT says: a measurement for docs/results.md, of half a minute a
// fact. RETCON_AGREEMENT_SHARD=2/16 takes every 16th of the facts from the
// second on, so that processes can share the work. RETCON_AGREEMENT_KEPT names a
// folder that keeps exact traces from one run to the next.
func TestAgreement(t *testing.T) {
	want, _ := strconv.Atoi(os.Getenv("RETCON_AGREEMENT"))
	if want == 0 {
		t.Skip("a measurement: set RETCON_AGREEMENT to a number of facts")
	}
	var facts []struct{ Prompt, Subject, Attribute string }
	data, err := os.ReadFile(testfile.DataSet(t, "known-1000.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &facts); err != nil {
		t.Fatal(err)
	}
	part, err := shard.Parse(cmp.Or(os.Getenv("RETCON_AGREEMENT_SHARD"), "1/1"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := llama.LoadModel(context.Background(), testfile.Demo(t), llama.ModelParams{CPUOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	exact, estimates := New(m, Options{}), New(m, Options{})
	defer exact.Close()
	defer estimates.Close()
	settings := map[string]*Approx{"plain": {Steps: 1}, "two steps": {Steps: 2}, "24 cells refined": {Steps: 1, Refine: 24}, "40 cells refined": {Steps: 1, Refine: 40}}
	found, seconds := map[string]*agreement{}, map[string]float64{}
	for n, number := 0, 1; n < want && len(facts) > 0; facts, number = facts[1:], number+1 {
		if !part.Has(number) {
			continue
		}
		p, err := NewPrompt(m, facts[0].Prompt, facts[0].Subject)
		if err != nil {
			continue
		}
		cfg := Config{
			Corruption: Corruption{Noise: GaussianNoise(1, 10, p.End-p.Begin, m.Info().Width, 0.3516)}, Window: 10,
			Approx: &Approx{Steps: 1}, Hidden: true, MLP: true, Attn: true,
		}
		r, err := estimates.Run(context.Background(), p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(r.Answer) != facts[0].Attribute {
			continue
		}
		n++
		cfg.Approx = nil
		want, err := kept(fmt.Sprintf("fact-%d.json", number), func() (*Result, error) { return exact.Run(context.Background(), p, cfg) })
		if err != nil {
			t.Fatal(err)
		}
		got, same := map[string]*Result{}, want.Answer == r.Answer
		for name, a := range settings {
			cfg.Approx = a
			if got[name], err = estimates.Run(context.Background(), p, cfg); err != nil {
				t.Fatal(err)
			}
			same = same && got[name].Answer == want.Answer
		}
		if !same {
			t.Logf("%q: two answers are about equally likely: left out", facts[0].Prompt)
			n--
			continue
		}
		seconds["exact"] += want.Seconds
		for name, g := range got {
			seconds[name] += g.Seconds
			for _, kind := range []string{"hidden", "mlp", "attn"} {
				key := name + ", " + kind
				if found[key] == nil {
					found[key] = &agreement{}
				}
				found[key].add(gridOf(want, kind), gridOf(g, kind), p.Begin)
			}
		}
		for key, a := range found {
			t.Logf("%d facts so far, %s: %d agree", n, key, a.strongest)
		}
	}
	for key, a := range found {
		name, _, _ := strings.Cut(key, ",")
		t.Logf("%s: rank correlation %.3f, strongest cell agrees in %d of %d, %.3f s", key, a.rank/float64(a.facts), a.strongest, a.facts, seconds[name]/float64(a.facts))
	}
	t.Logf("exact: %.1f s in all", seconds["exact"])
}

// kept is a trace that was kept in the folder, or runs it and keeps it there.
func kept(name string, run func() (*Result, error)) (*Result, error) {
	dir := os.Getenv("RETCON_AGREEMENT_KEPT")
	if dir == "" {
		return run()
	}
	path := filepath.Join(dir, name)
	if data, err := os.ReadFile(path); err == nil {
		r := &Result{}
		return r, json.Unmarshal(data, r)
	}
	r, err := run()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return r, os.WriteFile(path, data, 0o666)
}

func (a *agreement) add(want, got [][]float64, begin int) {
	a.facts++
	a.rank += rankCorrelation(slices.Concat(want[begin:]...), slices.Concat(got[begin:]...))
	i, j := strongest(want)
	k, l := strongest(got)
	if max(i-k, k-i) <= 1 && max(j-l, l-j) <= 1 {
		a.strongest++
	}
}

func strongest(g [][]float64) (token, layer int) {
	for i, row := range g {
		for j, v := range row {
			if v > g[token][layer] {
				token, layer = i, j
			}
		}
	}
	return token, layer
}

// rankCorrelation is Spearman's, of values of which hardly any are equal.
func rankCorrelation(a, b []float64) float64 {
	ranks := func(v []float64) []float64 {
		order := make([]int, len(v))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(v[i], v[j]) })
		out := make([]float64, len(v))
		for r, i := range order {
			out[i] = float64(r)
		}
		return out
	}
	x, y := ranks(a), ranks(b)
	mx, my := mean(x), mean(y)
	var xy, xx, yy float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
	}
	return xy / math.Sqrt(xx*yy)
}
