package average

import (
	"math"

	"retcon/report"
	"retcon/trace/result"
)

// Picture is the averages of runs with the settings as package report draws
// them, the layers to edit among them.
func Picture(set Settings, s Summary) *report.Average {
	a := &report.Average{
		Facts: s.Right, Clean: s.Clean.Mean, Corrupted: s.Corrupted.Mean, Effect: s.Total.Mean, EffectHalf: s.Total.Half,
		Noise: set.Noise, Samples: set.Samples, Window: s.Window, Suggestion: Suggest(s).String(),
	}
	for _, g := range []struct {
		kind  string
		shown report.Kind
	}{{Hidden, report.Hidden}, {MLP, report.MLP}, {Attn, report.Attn}} {
		rows := s.Indirect[g.kind]
		if rows == nil {
			continue
		}
		grid := report.AverageGrid{Kind: g.shown, Approximate: set.Approx}
		for i, row := range rows {
			a.Counts[i] = row.Facts
			grid.Effect = append(grid.Effect, filled(row.Mean, s.Layers))
			grid.Half = append(grid.Half, filled(row.Half, s.Layers))
		}
		a.Grids = append(a.Grids, grid)
	}
	if v := s.Severed; v != nil {
		a.Severed = &result.Severing[report.Band]{Single: band(v.Single), MLPSevered: band(v.MLPSevered), AttnSevered: band(v.AttnSevered)}
	}
	return a
}

// filled is values for each layer, or gaps where there are none.
func filled(v []float64, layers int) []float64 {
	if len(v) > 0 {
		return v
	}
	out := make([]float64, layers)
	for l := range out {
		out[l] = math.NaN()
	}
	return out
}

// band is a series, without half widths where one fact gives none.
func band(s Series) report.Band {
	if len(s.Half) == 0 {
		return report.Band{Mean: s.Mean}
	}
	return report.Band{Mean: s.Mean, Half: s.Half}
}
