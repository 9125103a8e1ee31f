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
	exact   [][]int32 // of each, see fact.Fact.Exact
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
		exact, err := f.Exact(m, row.Tokens[row.From:])
		if err != nil {
			return nil, err
		}
		tokens, err := rec.Request.Tokens(m, prompt)
		if err != nil {
			return nil, err
		}
		g.prompts, g.exact = append(g.prompts, tokens), append(g.exact, exact)
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
	made, err := m.Generate(ctx, g.prompts, g.length, 1, 0, g.exact[0] == nil)
	if err != nil {
		return "", err
	}
	first, told := "", 0
	for i, r := range made {
		text, ok := g.fact.Said(m, r, g.exact[i])
		if i == 0 {
			first, v[ExactMatch] = text, asShare(ok)
		} else if ok {
			told++
		}
	}
	if n := len(made) - 1; n > 0 {
		v[ExactMatchParaphrase] = 100 * float64(told) / float64(n)
	}
	return first, nil
}
