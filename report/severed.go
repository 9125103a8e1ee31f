package report

import (
	"fmt"

	"retcon/trace/result"
)

// run is one series of severed runs.
type run struct {
	name   string
	kind   Kind
	values []float64 // [layer]
	half   []float64 // half width of the 95 % interval; nil without
}

// severedRuns are the series that were run.
func severedRuns(s result.Severed) []run {
	return present([]run{
		{"single state", Hidden, s.Single, nil},
		{"FFN severed", MLP, s.MLPSevered, nil},
		{"attention severed", Attn, s.AttnSevered, nil},
	})
}

// averageRuns are the series that were averaged.
func averageRuns(s AverageSevered) []run {
	return present([]run{
		{"single state", Hidden, s.Single.Mean, s.Single.Half},
		{"FFN severed", MLP, s.MLPSevered.Mean, s.MLPSevered.Half},
		{"attention severed", Attn, s.AttnSevered.Mean, s.AttnSevered.Half},
	})
}

func present(runs []run) []run {
	var out []run
	for _, r := range runs {
		if len(r.values) > 0 || len(r.half) > 0 {
			out = append(out, r)
		}
	}
	return out
}

func checkSevered(s *result.Severed) error {
	if s == nil {
		return nil
	}
	return checkRuns(severedRuns(*s))
}

func checkRuns(runs []run) error {
	if len(runs) == 0 {
		return fmt.Errorf("report: severed runs without values")
	}
	for _, r := range runs {
		if n := len(runs[0].values); len(r.values) != n {
			return fmt.Errorf("report: %s: %d layers, others have %d", r.name, len(r.values), n)
		}
		if r.half != nil && len(r.half) != len(r.values) {
			return fmt.Errorf("report: %s: %d layers and %d half widths", r.name, len(r.values), len(r.half))
		}
	}
	return nil
}
