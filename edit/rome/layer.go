package rome

import (
	"context"
	"errors"
	"math"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/neutral"
	"retcon/internal/vec"
	"retcon/lm"
)

// klWeight sets a trial's KL against its log-probability: KL is a mean over
// all text, the other is of one fact.
const klWeight = 10

// choose is the layer that is asked for, the default, the one that a trace
// points to, or the best of several by edit.LayerTrial's score on the first
// fact; and where it is from.
func (w *work) choose(ctx context.Context, facts []fact.Fact) (layer int, from string, err error) {
	h := w.h
	switch {
	case w.locate != nil && len(facts) > 0:
		layer, err = w.trace(ctx, facts)
		return layer, "trace", err
	case h.Auto && len(h.Layers) == 0 && len(facts) == 0:
		return 0, "", fault.Errorf(fact.ErrRequest, "a layer cannot be found for each of many edits: name layers")
	case h.Auto && len(h.Layers) == 0:
		layer, err = w.tryLayers(ctx, facts[0])
		return layer, "auto", err
	case len(h.Layers) > 0:
		return h.layer(w.base.Info), "asked", nil
	}
	return h.layer(w.base.Info), "default", nil
}

// trace asks the locator about the facts.
func (w *work) trace(ctx context.Context, facts []fact.Fact) (int, error) {
	if err := w.base.Model.Apply(nil); err != nil {
		return 0, err
	}
	l, err := w.locate(ctx, w.base.Model, facts)
	if err != nil {
		return 0, err
	}
	if l.Layer < 0 || l.Layer >= w.base.Info.Layers {
		return 0, fault.Errorf(lm.ErrUnsupported, "the trace points to layer %d of a model with %d", l.Layer, w.base.Info.Layers)
	}
	for _, text := range l.Warnings {
		w.base.Voice.Warn("%s", text)
	}
	w.located = l
	return l.Layer, nil
}

// tryLayers edits one fact at several layers and takes the best.
func (w *work) tryLayers(ctx context.Context, f fact.Fact) (int, error) {
	unseen, err := contexts.SamplePrefixes(ctx, w.base.Model, [][2]int{{5, 2}, {10, 2}}, w.h.Seed+1000)
	if err != nil {
		return 0, err
	}
	candidates := layerCandidates(w.h.layer(w.base.Info), w.base.Info.Layers)
	best := -1
	for i, layer := range candidates {
		t := edit.LayerTrial{Layer: layer}
		if err := w.try(ctx, f, unseen, &t); err != nil {
			t.Error = err.Error()
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		w.tried = append(w.tried, t)
		w.base.Voice.Report("trying layers", int64(i+1), int64(len(candidates)))
		if t.Error == "" && (best < 0 || t.Score > w.tried[best].Score) {
			best = i
		}
	}
	if best < 0 {
		return 0, fault.Errorf(edit.ErrRefused, "no layer of %v could be edited; layer %d: %s", candidates, candidates[0], w.tried[0].Error)
	}
	return candidates[best], nil
}

// candidates are the layers that may be edited, as far as that is known before
// the model is asked.
func (w *work) candidates() []int {
	layer := w.h.layer(w.base.Info)
	switch {
	case w.locate != nil:
		return nil
	case w.h.Auto && len(w.h.Layers) == 0:
		return layerCandidates(layer, w.base.Info.Layers)
	}
	return []int{layer}
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

// try edits one fact at the layer of a trial and scores it.
func (w *work) try(ctx context.Context, f fact.Fact, unseen []string, t *edit.LayerTrial) error {
	if _, err := w.weight(ctx, t.Layer); err != nil {
		return err
	}
	c, err := w.solver(ctx, t.Layer)
	if err != nil {
		return err
	}
	m := w.base.Model
	if err := m.Apply(nil); err != nil {
		return err
	}
	r, err := compute(ctx, m, f, t.Layer, w.prefixes, c, w.h, nil)
	if err != nil {
		return err
	}
	if !vec.Finite(r.Left) || !vec.Finite(r.Right) {
		return errors.New("the update is not finite")
	}
	before := func() error { return m.Apply(nil) }
	after := func() error { return m.Apply([]lm.Update{r.Update}) }
	side, err := edit.MeasureSideEffects(ctx, m, before, after, neutral.Text(), 0, nil)
	if err != nil {
		return err
	}
	var rows []lm.Scored
	for _, prefix := range append([]string{""}, unseen...) {
		span, err := fact.Tokenize(m, f, prefix, f.New)
		if err != nil {
			return err
		}
		rows = append(rows, span.Scored())
	}
	logs, err := m.LogProbs(ctx, rows)
	if err != nil {
		return err
	}
	t.KL, t.LogProb = side.KL, math.Inf(1)
	for _, l := range logs {
		t.LogProb = min(t.LogProb, vec.Sum(l)/float64(len(l)))
	}
	t.Score = t.LogProb - klWeight*t.KL
	return nil
}
