package main

import (
	pictures "retcon/report"
	"retcon/trace"
)

// shownTrace is a result as the pictures take it.
func shownTrace(r *trace.Result) pictures.Trace {
	t := pictures.Trace{
		Prompt: r.Prompt, Tokens: r.Tokens, Begin: r.Subject[0], End: r.Subject[1], Answer: r.Answer,
		Clean: r.PClean, Corrupted: r.PCorrupted, Noise: r.Noise, Samples: r.Samples, Window: r.Window,
		Grids: shownGrids(r.Approx != nil, r.Hidden, r.MLP, r.Attn),
	}
	if s := r.Severed; s != nil {
		t.Severed = &pictures.Severed{Single: s.Single, MLPSevered: s.MLPSevered, AttnSevered: s.AttnSevered}
	}
	d := r.LogitDifference
	if d == nil || d.Foil == r.Answer {
		return t
	}
	// Severed runs are not measured so: without a grid there is nothing to show.
	if grids := shownGrids(false, d.Hidden, d.MLP, d.Attn); grids != nil {
		t.Metrics = []pictures.Metric{{Name: "logit difference", Clean: d.Clean, Corrupted: d.Corrupted, Symmetric: true, Grids: grids}}
	}
	return t
}

// shownGrids are those that were made.
func shownGrids(approximate bool, hidden, mlp, attn [][]float64) []pictures.Grid {
	var out []pictures.Grid
	for _, g := range []pictures.Grid{{Kind: pictures.Hidden, Values: hidden}, {Kind: pictures.MLP, Values: mlp}, {Kind: pictures.Attn, Values: attn}} {
		if g.Values != nil {
			g.Approximate = approximate
			out = append(out, g)
		}
	}
	return out
}
