package edit

import (
	"context"
	"errors"
	"math"
	"slices"

	"retcon/edit/contexts"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/neutral"
	"retcon/internal/vec"
	"retcon/lm"
)

// klWeight sets a trial's KL against its log-probability: KL is a mean over
// all text, the other is of one fact.
const klWeight = 10

// chooseLayer is the layer that is asked for, the default, the one that a trace
// points to, or the best of several by LayerTrial's score on the first request that can be tried.
func (s *session) chooseLayer(ctx context.Context) (int, error) {
	h := s.cfg.HParams
	first := slices.IndexFunc(s.res.Edits, func(e *Edit) bool { return e.Error == "" })
	if s.cfg.Locate != nil && first >= 0 {
		s.res.LayerFrom = "trace"
		return s.locate(ctx)
	}
	if len(h.Layers) > 0 || !h.Auto || first < 0 {
		s.res.LayerFrom = "default"
		if len(h.Layers) > 0 {
			s.res.LayerFrom = "asked"
		}
		return h.layer(s.info), nil
	}
	s.res.LayerFrom = "auto"
	unseen, err := contexts.SamplePrefixes(ctx, s.model, [][2]int{{5, 2}, {10, 2}}, h.Seed+1000)
	if err != nil {
		return 0, err
	}
	candidates := layerCandidates(h.layer(s.info), s.info.Layers)
	best := -1
	for i, layer := range candidates {
		t := s.try(ctx, s.res.Edits[first], layer, unseen)
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		s.res.LayersTried = append(s.res.LayersTried, t)
		s.cfg.progress("trying layers", int64(i+1), int64(len(candidates)))
		if t.Error == "" && (best < 0 || t.Score > s.res.LayersTried[best].Score) {
			best = i
		}
	}
	if best < 0 {
		return 0, fault.Errorf(ErrRefused, "no layer of %v could be edited; layer %d: %s", candidates, candidates[0], s.res.LayersTried[0].Error)
	}
	return candidates[best], nil
}

// layerCandidates are five layers around the default, a twelfth of the depth
// apart, the default first.
func layerCandidates(layer, layers int) []int {
	step := max(1, int(math.Round(float64(layers)/12)))
	var out []int
	for _, k := range []int{0, -1, 1, -2, 2} {
		if l := layer + k*step; l >= 0 && l < layers {
			out = append(out, l)
		}
	}
	return out
}

// try edits one fact at a layer and scores it.
func (s *session) try(ctx context.Context, e *Edit, layer int, unseen []string) LayerTrial {
	t := LayerTrial{Layer: layer}
	fail := func(err error) LayerTrial {
		t.Error = err.Error()
		return t
	}
	if _, _, err := s.weight(ctx, layer); err != nil {
		return fail(err)
	}
	c, err := s.solver(ctx, layer)
	if err != nil {
		return fail(err)
	}
	if err := s.model.Apply(nil); err != nil {
		return fail(err)
	}
	r, err := rome(ctx, s.model, e.fact, layer, s.prefixes, c, s.cfg.HParams, nil)
	if err != nil {
		return fail(err)
	}
	if !vec.Finite(r.Left) || !vec.Finite(r.Right) {
		return fail(errors.New("the update is not finite"))
	}
	side, err := sideEffects(ctx, s.model, nil, []lm.Update{r.Update}, neutral.Text(), nil)
	if err != nil {
		return fail(err)
	}
	var rows []lm.Scored
	for _, prefix := range append([]string{""}, unseen...) {
		span, err := fact.Tokenize(s.model, e.fact, prefix, e.fact.New)
		if err != nil {
			return fail(err)
		}
		rows = append(rows, span.Scored())
	}
	logs, err := s.model.LogProbs(ctx, rows)
	if err != nil {
		return fail(err)
	}
	t.KL, t.LogProb = side.KL, math.Inf(1)
	for _, l := range logs {
		t.LogProb = min(t.LogProb, vec.Sum(l)/float64(len(l)))
	}
	t.Score = t.LogProb - klWeight*t.KL
	return t
}

var _ covariance.Solver = (*healing)(nil)
