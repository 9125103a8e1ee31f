package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"retcon/eval"
	"retcon/fact"
	"retcon/gguf"
	"retcon/llama"
	"retcon/lm"
)

// scorer scores one record of a run.
type scorer interface {
	Record(ctx context.Context, rec *fact.Record) (eval.Entry, error)
}

// results collects what runs give, in memory and in the file.
type results struct {
	log    *eval.Log // nil: no file
	path   string
	before []eval.Series // what the file had
	series []eval.Series
}

// keptError says that an interrupted run left results behind.
type keptError struct {
	error
	path string
}

func (e keptError) Unwrap() error { return e.error }

// score runs one configuration over the records of a task.
func (a *app) score(ctx context.Context, r *results, t *task, run eval.Run, label string, s scorer) error {
	series := eval.Series{Run: run}
	at := slices.IndexFunc(r.before, func(b eval.Series) bool { return b.Run.ID == run.ID })
	if at >= 0 {
		series = r.before[at]
	} else if len(r.before) > 0 {
		a.log.Warn("the file has no results of these settings: another run is added to it", "file", r.path, "run", run.ID)
	}
	if r.log != nil {
		if err := r.log.Start(run); err != nil {
			return err
		}
	}
	for i := range t.records {
		rec := &t.records[i]
		a.progress(label, i, len(t.records))
		if r.log != nil && r.log.Has(run.ID, rec.Index) {
			continue
		}
		e, err := s.Record(ctx, rec)
		if err != nil {
			return r.interrupted(err)
		}
		if e.Error != "" {
			a.log.Warn(fmt.Sprintf("record %d failed: %s", rec.Index, e.Error))
		}
		e.Run = run.ID
		series.Add(e)
		if r.log != nil {
			if err := r.log.Add(e); err != nil {
				return err
			}
		}
	}
	a.progress(label, len(t.records), len(t.records))
	r.series = append(r.series, series)
	return nil
}

func (a *app) progress(label string, done, total int) {
	if !a.quiet {
		a.bar.Update(label, int64(done), int64(total))
	}
}

// interrupted says where results are kept.
func (r *results) interrupted(err error) error {
	if r.log == nil {
		return err
	}
	return keptError{err, r.path}
}

// finish prints the series. That no record could be scored is an error.
func (a *app) finish(f *scoreFlags, all []eval.Series) error {
	a.bar.Close()
	if err := a.printSeries(f.format, all); err != nil {
		return err
	}
	for i := range all {
		if s := &all[i]; s.Failed() > 0 && s.Failed() == len(s.Entries) {
			return fmt.Errorf("all %d records failed; the first: %s", s.Failed(), s.Entries[0].Error)
		}
	}
	return nil
}

// machine is what this program runs on.
func machine(threads int) eval.Machine {
	m := eval.Machine{
		Version: version, LlamaCPP: llama.Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Threads: threads, Time: time.Now().UTC().Format(time.RFC3339),
	}
	for _, d := range llama.Devices() {
		if d.Name == "CPU" {
			m.CPU = d.Description
		} else {
			m.Devices = append(m.Devices, d.Name+": "+d.Description)
		}
	}
	return m
}

// factsOf says which model a file is.
func factsOf(path string, info lm.Info) (eval.Facts, error) {
	file, err := gguf.Open(path)
	if err != nil {
		return eval.Facts{}, err
	}
	defer file.Close()
	f := eval.Facts{
		File: filepath.Base(path), Arch: info.Arch, Name: info.Name, Bytes: file.Size(), Params: info.Params,
		Layers: info.Layers, Width: info.Width, Types: map[string]string{},
	}
	if f.Print, err = gguf.Fingerprint(file); err != nil {
		return f, err
	}
	types, most := map[string]int64{}, int64(0)
	classes := map[string][]string{}
	for _, t := range file.Tensors {
		name := t.Type.String()
		if types[name] += t.Elements(); types[name] > most {
			most, f.Type = types[name], name
		}
		if class := classOf(t.Name); len(t.Dims) > 1 && !slices.Contains(classes[class], name) {
			classes[class] = append(classes[class], name)
		}
	}
	for class, names := range classes {
		f.Types[class] = strings.Join(names, "/")
	}
	return f, nil
}

// classOf is what tensors of all layers have in common: "ffn_down" of
// "blk.3.ffn_down.weight".
func classOf(name string) string {
	name = strings.TrimSuffix(name, ".weight")
	if rest, ok := strings.CutPrefix(name, "blk."); ok {
		if _, class, ok := strings.Cut(rest, "."); ok {
			return class
		}
	}
	return name
}

// textOf runs the base over the task's text, if a metric needs it.
func (a *app) textOf(ctx context.Context, t *task, base lm.Model) (*eval.Text, error) {
	if !slices.Contains(t.stages, eval.OnText) {
		return nil, nil
	}
	return eval.NewText(ctx, base, t.text, t.settings.TextTokens, func(done, total int) { a.progress("text", done, total) })
}

var errNoModel = errors.New("no model: name a GGUF file with -m FILE (or LLAMA_ARG_MODEL)")
