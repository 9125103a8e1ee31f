package eval

import (
	"context"
	"math"
	"strings"

	"retcon/fact"
	"retcon/lm"
)

// likelihood is a record's prompts and targets as rows of tokens.
type likelihood struct {
	rec    *fact.Record
	fact   fact.Fact
	groups []group
	rows   []lm.Scored
}

// group is prompts that are scored in one way.
type group struct {
	name, magnitude, accuracy string
	keep                      bool // the old answer should stay the likelier
	whole                     bool // scored by the share of tokens that come first in any record
	pairs                     []pair
}

// pair is one prompt: the rows of the new and of the old answer, -1 where there
// is none.
type pair struct{ new, old int }

// NLL is the mean negative log-likelihood of a target's tokens on each prompt
// of a record: the rewrite prompt, paraphrases, neighbourhood prompts.
type NLL struct {
	New  []float64 `json:"new"`
	True []float64 `json:"true,omitempty"`
}

// newLikelihood tokenises the prompts of a record. f is its request made
// ready.
func newLikelihood(m lm.Model, rec *fact.Record, f fact.Fact) (*likelihood, error) {
	l := &likelihood{rec: rec, fact: f}
	q := rec.Request
	groups := []group{
		{name: Efficacy, magnitude: EfficacyMagnitude, accuracy: EfficacyAccuracy},
		{name: Paraphrase, magnitude: ParaphraseMagnitude, accuracy: ParaphraseAccuracy},
	}
	prompts := [][]string{{f.Text}, q.Paraphrases}
	if !rec.Tokens && f.Old != "" {
		groups = append(groups, group{name: Neighbourhood, magnitude: NeighbourhoodMagnitude, accuracy: NeighbourhoodAccuracy, keep: true})
		prompts = append(prompts, q.Neighbours)
	}
	for i, g := range groups {
		for _, prompt := range prompts[i] {
			p := pair{-1, -1}
			var err error
			if p.new, err = l.add(m, prompt, q.TargetNew); err != nil {
				return nil, err
			}
			if !rec.Tokens && f.Old != "" {
				if p.old, err = l.add(m, prompt, q.TargetTrue); err != nil {
					return nil, err
				}
			}
			g.pairs = append(g.pairs, p)
		}
		l.groups = append(l.groups, g)
	}
	if err := l.questions(m, Specificity, rec.Locality); err != nil {
		return nil, err
	}
	return l, l.questions(m, Portability, rec.Portability)
}

// questions adds those whose answers are known.
func (l *likelihood) questions(m lm.Model, metric string, all []fact.Question) error {
	g := group{name: metric, whole: true}
	for _, q := range all {
		if strings.TrimSpace(q.Answer) == "" {
			continue
		}
		row, err := l.add(m, q.Prompt, q.Answer)
		if err != nil {
			return err
		}
		g.pairs = append(g.pairs, pair{row, -1})
	}
	l.groups = append(l.groups, g)
	return nil
}

func (l *likelihood) add(m lm.Model, prompt, target string) (int, error) {
	row, err := l.rec.Request.Row(m, nil, prompt, target)
	l.rows = append(l.rows, row)
	return len(l.rows) - 1, err
}

// run scores the rows and makes values of them.
func (l *likelihood) run(ctx context.Context, m Model, v Values) (*NLL, error) {
	made, err := m.Predict(ctx, l.rows)
	if err != nil {
		return nil, err
	}
	all := &NLL{}
	for _, g := range l.groups {
		if len(g.pairs) == 0 {
			continue
		}
		if l.rec.Tokens || g.whole {
			l.tokens(g, made, v)
			continue
		}
		l.choices(g, made, v, all)
	}
	if l.rec.Tokens {
		return nil, nil
	}
	return all, nil
}

// choices adds CounterFact's values of a group: which of two answers is the
// likelier, and by how much (eval_utils_counterfact.py, summarize.py). Where one
// answer is the other and more words, that has no meaning, nor has it that the
// tokens of the shorter come first: they do when the longer is said.
func (l *likelihood) choices(g group, made [][]lm.Prediction, v Values, all *NLL) {
	var success, magnitude, accuracy float64
	n := float64(len(g.pairs))
	for _, p := range g.pairs {
		said := made[p.new]
		nllNew := meanNLL(said)
		all.New = append(all.New, nllNew)
		if p.old >= 0 {
			nllOld := meanNLL(made[p.old])
			all.True = append(all.True, nllOld)
			sign := 1.
			if g.keep {
				said, sign = made[p.old], -1
			}
			if sign*(nllOld-nllNew) > 0 {
				success++
			}
			magnitude += sign * (math.Exp(-nllNew) - math.Exp(-nllOld))
		}
		if shareFirst(said) == 1 {
			accuracy++
		}
	}
	if g.pairs[0].old >= 0 && !l.fact.NewBeginsOld() && !l.fact.OldBeginsNew() {
		v[g.name], v[g.magnitude] = 100*success/n, 100*magnitude/n
	}
	if hidden := l.fact.NewBeginsOld() && !g.keep || l.fact.OldBeginsNew() && g.keep; !hidden {
		v[g.accuracy] = 100 * accuracy / n
	}
}

// tokens adds zsRE's values of a group: the share of the answer's tokens that
// come first, given the ones before them (eval_utils_zsre.py).
func (l *likelihood) tokens(g group, made [][]lm.Prediction, v Values) {
	var share, accuracy float64
	n := float64(len(g.pairs))
	for _, p := range g.pairs {
		s := shareFirst(made[p.new])
		share += s
		if s == 1 {
			accuracy++
		}
	}
	if !g.whole && l.fact.NewBeginsOld() {
		return // they come first where the old answer is said
	}
	v[g.name] = 100 * share / n
	if g.accuracy != "" {
		v[g.accuracy] = 100 * accuracy / n
	}
}

func meanNLL(ps []lm.Prediction) float64 {
	var s float64
	for _, p := range ps {
		s -= p.LogProb
	}
	return s / float64(len(ps))
}

func shareFirst(ps []lm.Prediction) float64 {
	n := 0
	for _, p := range ps {
		if p.First {
			n++
		}
	}
	return float64(n) / float64(len(ps))
}
