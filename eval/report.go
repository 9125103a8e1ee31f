package eval

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"retcon/report"
)

// Fields are what a series comes to, a field a name: the row of a table in csv,
// json and sql. Scores are in per cent; every metric has its 95 % half-width
// beside it, and the base's value. Metrics without values are left out of
// summaries and empty in rows.
func (s *Series) Fields() report.Row {
	r, m := s.Run, s.Run.Machine
	var row report.Row
	add := func(name string, v any) { row = append(row, report.Field{Name: name, Value: v}) }
	add("run", r.ID)
	add("version", m.Version)
	add("llama_cpp", m.LlamaCPP)
	add("platform", m.Platform)
	add("cpu", m.CPU)
	add("devices", strings.Join(m.Devices, ", "))
	add("threads", m.Threads)
	add("time", m.Time)
	row = append(row, r.Settings.fields()...)
	costs := s.Costs()
	add("n", len(s.Scored()))
	add("failed", s.Failed())
	edited, base := s.Edited(), s.Base()
	for _, metric := range Metrics {
		add(metric.Name, edited.value(metric.Name))
		add(metric.Name+"_ci95", edited.half(metric.Name))
		add("base_"+metric.Name, base.value(metric.Name))
	}
	add("worst_perplexity_ratio", known(s.WorstPerplexity()))
	add("seconds_per_edit", costs.EditSeconds)
	for _, stage := range Stages {
		add(string(stage)+"_seconds", costs.Stages[stage])
	}
	add("peak_rss_bytes", costs.PeakRSS)
	return row
}

// fields are the settings by which runs are told apart.
func (s Settings) fields() report.Row {
	row := report.Row{
		{Name: "command", Value: s.Command}, {Name: "model", Value: s.Model.File},
		{Name: "model_type", Value: s.Model.Type}, {Name: "model_types", Value: s.Model.types()},
		{Name: "architecture", Value: s.Model.Arch}, {Name: "model_bytes", Value: s.Model.Bytes}, {Name: "model_params", Value: s.Model.Params},
	}
	base := ""
	if s.Base != nil {
		base = s.Base.File
	}
	var adapters, stages []string
	for _, a := range s.LoRA {
		adapters = append(adapters, a.File)
	}
	for _, st := range s.Stages {
		stages = append(stages, string(st))
	}
	keys := int64(0)
	if s.Stats != nil {
		keys = s.Stats.Keys
	}
	var layer any
	if s.Method != "" {
		layer = s.Layer
	}
	return append(row, report.Row{
		{Name: "base", Value: base}, {Name: "lora", Value: strings.Join(adapters, ",")},
		{Name: "method", Value: s.Method}, {Name: "layer", Value: layer}, {Name: "covariance", Value: s.Covariance}, {Name: "covariance_keys", Value: keys},
		{Name: "data", Value: s.Data.File}, {Name: "from", Value: s.From}, {Name: "records", Value: s.Records},
		{Name: "metrics", Value: strings.Join(stages, ",")}, {Name: "seed", Value: s.Seed},
	}...)
}

// types is "attn_k Q4_1, ffn_down Q6_K, ..".
func (f Facts) types() string {
	var out []string
	for _, class := range slices.Sorted(maps.Keys(f.Types)) {
		out = append(out, class+" "+f.Types[class])
	}
	return strings.Join(out, ", ")
}

func (s Summary) value(name string) any {
	if st, ok := s[name]; ok {
		return st.Value
	}
	return nil
}

func (s Summary) half(name string) any {
	if st, ok := s[name]; ok {
		return st.CI
	}
	return nil
}

func known(v float64) any {
	if v == 0 {
		return nil
	}
	return v
}

// JSON is a series as --json prints it: settings, summary, base and records.
func (s *Series) JSON() report.Row {
	costs := s.Costs()
	summary := s.Edited().fields()
	summary = append(report.Row{{Name: "n", Value: len(s.Scored())}, {Name: "failed", Value: s.Failed()}}, summary...)
	if worst := s.WorstPerplexity(); worst > 0 {
		summary = append(summary, report.Field{Name: "worst_perplexity_ratio", Value: worst})
	}
	summary = append(summary, report.Field{Name: "seconds_per_edit", Value: costs.EditSeconds})
	for _, stage := range Stages {
		if v, ok := costs.Stages[stage]; ok {
			summary = append(summary, report.Field{Name: string(stage) + "_seconds", Value: v})
		}
	}
	summary = append(summary, report.Field{Name: "peak_rss_bytes", Value: costs.PeakRSS})
	records := make([]Entry, len(s.Entries))
	for i, e := range s.Entries {
		e.Run = ""
		records[i] = e
	}
	row := report.Row{
		{Name: "schema", Value: Schema}, {Name: "run", Value: s.Run.ID},
		{Name: "settings", Value: s.Run.Settings}, {Name: "machine", Value: s.Run.Machine},
		{Name: "summary", Value: summary}, {Name: "base", Value: s.Base().fields()}, {Name: "records", Value: records},
	}
	if survival := s.Survival(); survival != nil {
		row = append(row, report.Field{Name: "survival", Value: survival})
	}
	return row
}

// fields are the metrics that have values, each with its half-width.
func (s Summary) fields() report.Row {
	row := report.Row{}
	for _, m := range Metrics {
		if st, ok := s[m.Name]; ok {
			row = append(row, report.Field{Name: m.Name, Value: st.Value}, report.Field{Name: m.Name + "_ci95", Value: st.CI})
		}
	}
	return row
}

// Tables are the series for people: a line for each with the metrics that any of
// them has, and above those of a model one for its base.
func Tables(all []Series) report.Table {
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
	t := report.Table{Columns: []string{"model", "method", "layer", "C", "n"}}
	for _, m := range shown {
		t.Columns = append(t.Columns, m.Short)
	}
	t.Columns = append(t.Columns, "s/edit", "peak MB")
	seen := map[string]bool{}
	for i := range all {
		s := &all[i]
		set := s.Run.Settings
		baseOf := set.baseKey()
		if base := s.Base(); len(base) > 0 && !seen[baseOf] {
			seen[baseOf] = true
			t.Add(append([]string{set.baseName(), "unedited", "", "", fmt.Sprint(len(s.Scored()))}, base.cells(shown)...)...)
		}
		costs := s.Costs()
		n := fmt.Sprint(len(s.Scored()))
		if f := s.Failed(); f > 0 {
			n += fmt.Sprintf(" (%d failed)", f)
		}
		cells := []string{set.Model.File, set.Method, "", set.Covariance, n}
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
		cells = append(cells, s.Edited().cells(shown)...)
		t.Add(append(cells, seconds, fmt.Sprintf("%d", costs.PeakRSS>>20))...)
	}
	return t
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
		if st.N > 1 {
			out[i] += fmt.Sprintf(" ± %.*f", digits, st.CI)
		}
	}
	return out
}
