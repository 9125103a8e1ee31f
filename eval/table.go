package eval

import (
	"fmt"
	"math"
	"slices"

	"retcon/internal/table"
)

// Tables are the series for people: a line for each with the metrics that any of
// them has, and above those of a model one for its base.
func Tables(all []Series) table.Table {
	shown := shownMetrics(all)
	baked := slices.ContainsFunc(all, func(s Series) bool { return s.Run.Settings.As == AsBaked })
	t := table.Table{Columns: []string{"model", "method", "layer", "C"}}
	if baked {
		t.Columns = append(t.Columns, "as")
	}
	t.Columns = append(t.Columns, "n")
	for _, m := range shown {
		t.Columns = append(t.Columns, m.Short)
	}
	t.Columns = append(t.Columns, "s/edit")
	if baked {
		t.Columns = append(t.Columns, "s/write", "written in another type")
	}
	t.Columns = append(t.Columns, "peak MB")
	seen := map[string]bool{}
	for i := range all {
		s := &all[i]
		set := s.Run.Settings
		baseOf := set.baseKey()
		if base := s.Base(); len(base) > 0 && !seen[baseOf] {
			seen[baseOf] = true
			head := []string{set.baseName(), "unedited", "", ""}
			if baked {
				head = append(head, "")
			}
			t.Add(append(append(head, fmt.Sprint(len(s.Scored()))), base.cells(shown)...)...)
		}
		t.Add(s.cells(shown, baked)...)
	}
	return t
}

// Notes are a line for each model of the series: the types of its tensors, which
// files mix. Runs on facts that files were edited with say whose these are, and
// what warnings they have.
func Notes(all []Series) []string {
	var out []string
	noted := map[string]bool{}
	for i := range all {
		if f := all[i].Run.Settings.Model; !noted[f.Print] && len(f.Types) > 0 {
			noted[f.Print] = true
			out = append(out, f.File+": "+f.classes())
		}
		run := &all[i].Run
		if d := run.Settings.Data; d.Edited {
			out = append(out, "scored on the facts of "+d.File)
		}
		for _, w := range run.Warnings {
			out = append(out, "warning: "+w)
		}
	}
	return out
}

// shownMetrics are the metrics that any of the series has.
func shownMetrics(all []Series) []Metric {
	var shown []Metric
	for _, m := range Metrics {
		if m.Name == EfficacyAccuracy || m.Name == ParaphraseAccuracy || m.Name == NeighbourhoodAccuracy {
			continue // nearly the free-running matches; the other formats have them
		}
		for i := range all {
			if _, ok := all[i].Edited()[m.Name]; ok {
				shown = append(shown, m)
				break
			}
		}
	}
	return shown
}

// cells are the line of a series; baked says that the table has columns for
// files.
func (s *Series) cells(shown []Metric, baked bool) []string {
	set, costs := s.Run.Settings, s.Costs()
	n := fmt.Sprint(len(s.Scored()))
	if f := s.Failed(); f > 0 {
		n += fmt.Sprintf(" (%d failed)", f)
	}
	cells := []string{set.Model.File, set.method(), "", set.covariance()}
	seconds := ""
	if set.Method != "" {
		cells[2], seconds = fmt.Sprint(set.Layer), fmt.Sprintf("%.2f", costs.EditSeconds)
	}
	if set.Command == "eval" {
		cells[1] = "as it is"
		if len(set.LoRA) > 0 {
			cells[1] = "with adapter"
		}
	}
	if baked {
		cells = append(cells, set.As)
	}
	cells = append(append(cells, n), s.Edited().cells(shown)...)
	cells = append(cells, seconds)
	if baked {
		write, changed := "", ""
		if set.As == AsBaked {
			write = fmt.Sprintf("%.2f", costs.WriteSeconds)
			changed, _ = s.promoted().(string)
		}
		cells = append(cells, write, changed)
	}
	return append(cells, fmt.Sprintf("%d", costs.PeakRSS>>20))
}

// method is "rome", with the conversations that edits are made in.
func (s Settings) method() string {
	if chat := s.chat(); chat != "" {
		return s.Method + ", chat " + chat
	}
	return s.Method
}

// covariance is "full", with the keys a dimension where they were asked for.
func (s Settings) covariance() string {
	if s.Keys > 0 {
		return fmt.Sprintf("%s, %v keys/dim", s.Covariance, s.Keys)
	}
	return s.Covariance
}

func (s Settings) baseName() string {
	if s.Base != nil {
		return s.Base.File
	}
	return s.Model.File
}

// baseKey tells bases apart: other models, or other records.
func (s Settings) baseKey() string {
	print := s.Model.Print
	if s.Base != nil {
		print = s.Base.Print
	}
	return fmt.Sprint(print, s.Data, s.From, s.Records, s.Stages, s.Seed)
}

// cells are values with half-widths for a table.
func (s Summary) cells(shown []Metric) []string {
	out := make([]string, len(shown))
	for i, m := range shown {
		st, ok := s[m.Name]
		if !ok {
			continue
		}
		digits := 1
		switch m.Name {
		case KL:
			digits = 4
		case Perplexity:
			digits = 2
		}
		out[i] = fmt.Sprintf("%.*f", digits, st.Value)
		if !math.IsNaN(st.CI) {
			out[i] += fmt.Sprintf(" ± %.*f", digits, st.CI)
		}
	}
	return out
}
