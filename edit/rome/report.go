package rome

import (
	"fmt"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/internal/fault"
	"retcon/internal/human"
)

// Settings are the hyper-parameters in full, the prefixes included, and what the
// covariance was made from.
func (w *work) Settings() edit.Settings {
	h := w.h
	h.Layers, h.Auto, h.Prefixes = []int{w.layer}, false, w.prefixes
	s := edit.Settings{Method: Name, Layer: w.layer, Seed: h.Seed, HParams: h, KeysPerDim: w.base.KeysPerDim}
	if c, ok := w.solvers[w.layer]; ok {
		stats := c.Stats
		s.Covariance, s.Stats = string(stats.Kind), &stats
	}
	if t, ok := w.weights[w.layer]; ok {
		s.Tensor = t.Info.Type.String()
	}
	return s
}

// Report says by which means the edits were made.
func (w *work) Report(r *edit.Result) {
	r.LayersTried, r.StatsSeconds = w.tried, w.seconds
	if !w.ready {
		return // it ended before there was anything to say
	}
	stats := w.solvers[w.layer].Stats
	r.Layer, r.LayerFrom, r.Located = w.layer, w.from, w.located
	r.Covariance, r.Stats = string(stats.Kind), stats
	from := map[string]string{
		"default": ", the default for a model of this depth; " + string(fault.SeveralLayers) + " may be better",
		"asked":   ", as asked",
		"auto":    fmt.Sprintf(", the best of %d that were tried", len(w.tried)),
		"trace":   ", to which the trace points",
	}[w.from]
	add := func(label, text string) { r.Lines = append(r.Lines, edit.Line{Label: label, Text: text}) }
	add("method", fmt.Sprintf("%s at layer %d%s", Name, w.layer, from))
	if w.located != nil {
		add("trace", locatedText(w.located))
		add(" ", w.located.Caveat)
	}
	add("covariance", covarianceText(stats))
	for _, e := range r.Edits {
		if e.Update == nil || e.Update.Steps == 0 {
			continue
		}
		label := "update"
		if len(r.Edits) > 1 {
			label = fmt.Sprintf("update %d", e.Record)
		}
		add(label, updateText(*e.Update))
	}
}

// locatedText is the evidence of a trace.
func locatedText(l *edit.Located) string {
	over := ""
	if l.Facts > 1 {
		over = fmt.Sprintf(", means over %d requests", l.Facts)
	}
	text := fmt.Sprintf("FFN outputs of layers %d to %d at the subject's last token raise the answer's probability by %.3g, from %.3g (clean: %.3g)%s",
		l.Window[0], l.Window[1]-1, l.Effect, l.PCorrupted, l.PClean, over)
	if l.RunnerUp != nil {
		text += fmt.Sprintf("; next is layer %d with %.3g", l.RunnerUp.Layer, l.RunnerUp.Effect)
	}
	return text
}

func covarianceText(st covariance.Stats) string {
	text := string(st.Kind)
	switch st.Source {
	case "corpus":
		text += fmt.Sprintf(", of %s tokens of the corpus", human.Thousands(st.Keys))
	case "sampled":
		text += fmt.Sprintf(", of %s tokens that the model wrote", human.Thousands(st.Keys))
	case "imatrix":
		text += fmt.Sprintf(", from the importance matrix (%s inputs)", human.Thousands(st.Keys))
	}
	if st.Cached {
		text += " (cached)"
	}
	return text
}

func updateText(u edit.UpdateReport) string {
	share := ""
	if u.WeightNorm > 0 {
		share = fmt.Sprintf(", %.3g %% of the weight's norm %.3g", 100*u.DeltaNorm/u.WeightNorm, u.WeightNorm)
	}
	clamp := ""
	if u.AtClamp {
		clamp = ", at the clamp"
	}
	return fmt.Sprintf("norm %.3g%s; key %.3g, denominator %.3g; %d steps to loss %.3g%s",
		u.DeltaNorm, share, u.KeyNorm, u.Denominator, u.Steps, u.Loss, clamp)
}
