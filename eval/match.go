package eval

import (
	"context"
	"slices"

	"retcon/fact"
	"retcon/lm"
)

// match asks the model to go on by itself, greedily: what teacher forcing
// hides ("Mirage of Model Editing", arXiv 2502.11177).
type match struct {
	prompts [][]int32 // the rewrite prompt, then the paraphrases
	others  [][]int32 // prompts of other subjects
	fact    fact.Fact
	length  int // tokens to generate
}

// beyond is how many more tokens than the target has are generated, so that the
// end of its last word is seen.
const beyond = 4

func newMatch(m lm.Model, rec *fact.Record, f fact.Fact) (*match, error) {
	g := &match{fact: f}
	for _, prompt := range append([]string{f.Text}, rec.Request.Paraphrases...) {
		row, err := rec.Request.Row(m, nil, prompt, rec.Request.TargetNew)
		if err != nil {
			return nil, err
		}
		g.length = max(g.length, len(row.Tokens)-row.From+beyond)
		tokens, err := rec.Request.Tokens(m, prompt)
		if err != nil {
			return nil, err
		}
		g.prompts = append(g.prompts, tokens)
	}
	others := slices.Clone(rec.Request.Neighbours)
	for _, q := range rec.Locality {
		others = append(others, q.Prompt)
	}
	for _, prompt := range others {
		tokens, err := rec.Request.Tokens(m, prompt)
		if err != nil {
			return nil, err
		}
		g.others = append(g.others, tokens)
	}
	return g, nil
}

// top1 are the likeliest tokens after the prompts of other subjects.
func (g *match) top1(ctx context.Context, m Model) ([]int32, error) {
	if len(g.others) == 0 {
		return nil, nil
	}
	made, err := m.Generate(ctx, g.others, 1, 1, 0, false)
	if err != nil {
		return nil, err
	}
	out := make([]int32, len(made))
	for i, r := range made {
		out[i] = r[0]
	}
	return out, nil
}

// compareTop1 sets the share of prompts of other subjects whose likeliest token
// is not the base's, where both were asked.
func (r *Result) compareTop1(base *Result) {
	if base == nil || len(r.Top1) == 0 || len(r.Top1) != len(base.Top1) {
		return
	}
	changed := 0
	for i, t := range r.Top1 {
		if t != base.Top1[i] {
			changed++
		}
	}
	r.Values[NeighbourhoodChanged] = 100 * float64(changed) / float64(len(r.Top1))
}

// run generates and compares. It returns the continuation of the prompt.
func (g *match) run(ctx context.Context, m lm.Model, v Values) (string, error) {
	made, err := m.Generate(ctx, g.prompts, g.length, 1, 0, true)
	if err != nil {
		return "", err
	}
	share := func(rows [][]int32) float64 {
		n := 0
		for _, r := range rows {
			if g.fact.Told(m.Text(r)) {
				n++
			}
		}
		return 100 * float64(n) / float64(len(rows))
	}
	v[ExactMatch] = share(made[:1])
	if len(made) > 1 {
		v[ExactMatchParaphrase] = share(made[1:])
	}
	return m.Text(made[0]), nil
}
