package rome

import (
	"context"
	"fmt"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/internal/human"
)

// Plan estimates the steps of the optimisation and the statistics. A trace is
// not run: the default layer stands in for its own.
func (w *work) Plan(ctx context.Context, facts []fact.Fact, p *edit.Plan) error {
	h := w.h
	layer := h.layer(w.base.Info)
	t, err := w.weight(ctx, layer)
	if err != nil {
		return err
	}
	p.Layer, p.LayerFrom, p.Covariance = layer, "default", string(h.Covariance)
	switch {
	case w.locate != nil:
		p.LayerFrom = "trace"
	case len(h.Layers) > 0:
		p.LayerFrom = "asked"
	case h.Auto:
		p.LayerFrom = "auto"
	}
	p.Tensor, p.Type, p.Shape, p.TensorBytes = t.Info.Name, t.Info.Type.String(), t.Info.Shape(), t.Info.Size
	for _, f := range facts {
		n, err := w.stepTokens(f)
		if err != nil {
			return err
		}
		p.Tokens = max(p.Tokens, n)
	}
	if p.StatsKeys, p.StatsBytes, p.StatsCached, err = w.store.Need(h.Covariance, layer); err != nil {
		return err
	}
	if w.base.Adapter {
		p.LoRABytes = int64(4*(w.base.Info.FeedForward[layer]+w.base.Info.Width)*p.Requests) + 4096
	}
	p.MemoryBytes += 2 * p.TensorBytes
	if !p.StatsCached {
		p.MemoryBytes += p.StatsBytes
	}
	// A step is a forward pass and a backward pass of about its cost.
	p.Seconds = float64(p.Requests) * float64(p.Tokens*h.Steps) * 2 / p.Rate
	if p.StatsKeys > 0 && !p.StatsCached {
		p.StatsTime = float64(p.StatsKeys) / p.Rate * float64(layer+1) / float64(w.base.Info.Layers)
		if w.base.Corpus == "" {
			p.StatsTime += float64(p.StatsKeys) / p.Rate * 4 // one token a time, rows side by side
		}
	}
	p.Lines = planLines(p)
	return nil
}

// stepTokens are the tokens of all rows of a fact.
func (w *work) stepTokens(f fact.Fact) (int, error) {
	m := w.base.Model
	span, err := fact.Tokenize(m, f, "", f.New)
	if err != nil {
		return 0, err
	}
	n := len(span.Tokens)
	for _, l := range w.h.PrefixLengths {
		n += l[1] * (l[0] + 2 + len(span.Tokens))
	}
	frames, err := contexts.Conversations(m, w.h.Chat)
	if err != nil {
		return 0, err
	}
	subject := span.Subject
	for _, fr := range frames {
		span, err := fact.TokenizeIn(m, f, fr, f.New)
		if err != nil {
			return 0, err
		}
		n += len(span.Tokens) - span.Subject // what stands before is computed once
	}
	return n + subject + 4, nil
}

// planLines say what the method would do.
func planLines(p *edit.Plan) []edit.Line {
	from := map[string]string{
		"default": ", the default for a model of this depth",
		"asked":   ", as asked",
		"auto":    " and others around it, of which the best is taken",
		"trace":   ", or wherever the trace points, which a dry run leaves out",
	}[p.LayerFrom]
	text := p.Covariance
	switch {
	case p.StatsCached:
		text += ", cached"
	case p.StatsKeys > 0:
		text += fmt.Sprintf(", to be made from %s tokens in about %s", human.Thousands(p.StatsKeys), human.About(p.StatsTime))
		if p.StatsBytes > 0 {
			text += ", then cached in " + human.Bytes(p.StatsBytes)
		}
	}
	return []edit.Line{
		{Label: "method", Text: fmt.Sprintf("%s at layer %d%s", Name, p.Layer, from)},
		{Label: "tensor", Text: fmt.Sprintf("%s, %s %s, %s", p.Tensor, p.Type, p.Shape, human.Bytes(p.TensorBytes))},
		{Label: "covariance", Text: text},
	}
}
