package eval

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"retcon/internal/table"
)

// Fields are what a series comes to, a field a name: the row of a table in csv,
// json and sql. Scores are in per cent; every metric has its 95 % half-width
// beside it, and the base's value. Metrics without values are left out of
// summaries and empty in rows.
func (s *Series) Fields() table.Row {
	r, m := s.Run, s.Run.Machine
	var row table.Row
	add := func(name string, v any) { row = append(row, table.Field{Name: name, Value: v}) }
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
	add("write_seconds", known(costs.WriteSeconds))
	add("types_changed", s.promoted())
	for _, stage := range Stages {
		add(string(stage)+"_seconds", costs.Stages[stage])
	}
	add("peak_rss_bytes", costs.PeakRSS)
	return row
}

// fields are the settings by which runs are told apart.
func (s Settings) fields() table.Row {
	row := table.Row{
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
	return append(row, table.Row{
		{Name: "base", Value: base}, {Name: "lora", Value: strings.Join(adapters, ",")},
		{Name: "method", Value: s.Method}, {Name: "scored_as", Value: s.As}, {Name: "chat", Value: s.chat()}, {Name: "layer", Value: layer}, {Name: "tensor_type", Value: s.Tensor}, {Name: "covariance", Value: s.Covariance}, {Name: "covariance_keys", Value: keys},
		{Name: "data", Value: s.Data.File}, {Name: "from", Value: s.From}, {Name: "records", Value: s.Records},
		{Name: "metrics", Value: strings.Join(stages, ",")}, {Name: "seed", Value: s.Seed},
	}...)
}

func (s Summary) value(name string) any {
	if st, ok := s[name]; ok {
		return st.Value
	}
	return nil
}

func (s Summary) half(name string) any {
	if st, ok := s[name]; ok {
		return st.half()
	}
	return nil
}

// half is the half-width, nil where it is not known.
func (st Stat) half() any {
	if math.IsNaN(st.CI) {
		return nil
	}
	return st.CI
}

func known(v float64) any {
	if v == 0 {
		return nil
	}
	return v
}

// JSON is a series as --json prints it: settings, summary, base and records.
func (s *Series) JSON() table.Row {
	costs := s.Costs()
	summary := s.Edited().fields()
	summary = append(table.Row{{Name: "n", Value: len(s.Scored())}, {Name: "failed", Value: s.Failed()}}, summary...)
	if worst := s.WorstPerplexity(); worst > 0 {
		summary = append(summary, table.Field{Name: "worst_perplexity_ratio", Value: worst})
	}
	summary = append(summary, table.Field{Name: "seconds_per_edit", Value: costs.EditSeconds})
	if s.Run.Settings.As == AsBaked {
		summary = append(summary, table.Field{Name: "write_seconds", Value: costs.WriteSeconds}, table.Field{Name: "types_changed", Value: s.Promoted()})
	}
	for _, stage := range Stages {
		if v, ok := costs.Stages[stage]; ok {
			summary = append(summary, table.Field{Name: string(stage) + "_seconds", Value: v})
		}
	}
	summary = append(summary, table.Field{Name: "peak_rss_bytes", Value: costs.PeakRSS})
	records := make([]Entry, len(s.Entries))
	for i, e := range s.Entries {
		e.Run = ""
		records[i] = e
	}
	row := table.Row{
		{Name: "schema", Value: Schema}, {Name: "run", Value: s.Run.ID},
		{Name: "warnings", Value: nonNil(s.Run.Warnings)}, {Name: "settings", Value: s.Run.Settings}, {Name: "machine", Value: s.Run.Machine},
		{Name: "summary", Value: summary}, {Name: "base", Value: s.Base().fields()}, {Name: "records", Value: records},
	}
	if survival := s.Survival(); survival != nil {
		row = append(row, table.Field{Name: "survival", Value: survival})
	}
	return row
}

func nonNil(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

// fields are the metrics that have values, each with its half-width.
func (s Summary) fields() table.Row {
	row := table.Row{}
	for _, m := range Metrics {
		if st, ok := s[m.Name]; ok {
			row = append(row, table.Field{Name: m.Name, Value: st.Value}, table.Field{Name: m.Name + "_ci95", Value: st.half()})
		}
	}
	return row
}

// promoted is "Q4_1 -> Q8_0: 3", nil where every file kept the type.
func (s *Series) promoted() any {
	n := s.Promoted()
	var out []string
	for _, change := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%s: %d", change, n[change]))
	}
	if len(out) == 0 {
		return nil
	}
	return strings.Join(out, ", ")
}
