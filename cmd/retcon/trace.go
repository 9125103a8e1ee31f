package main

import (
	"context"

	"github.com/spf13/pflag"

	"retcon/engine"
	"retcon/fact"
	pictures "retcon/report"
	"retcon/trace"
	"retcon/trace/hypothesis"
)

// traceSchema is the version of the JSON of trace.
const traceSchema = 1

// traceResult is a trace as it is printed with --json. With --kind none there
// may be no trace in it.
type traceResult struct {
	Schema int    `json:"schema"`
	Model  string `json:"model"`
	*trace.Result
	Corruption  string              `json:"corruption"`
	NoiseFrom   string              `json:"noise_from"` // what the noise level was taken from
	SubjectSwap string              `json:"subject_swap,omitempty"`
	PromptSwap  string              `json:"prompt_swap,omitempty"`
	Hypothesis  *hypothesis.Results `json:"hypothesis,omitempty"`
	SVG         string              `json:"svg"`
	HTML        string              `json:"html"`
	Warnings    []string            `json:"warnings"`
}

// trace runs the command.
func (a *app) trace(ctx context.Context, flags *pflag.FlagSet, f *traceFlags) error {
	err := f.check(flags)
	if err == nil {
		err = a.checkFiles(f)
	}
	switch {
	case err != nil:
		return err
	case f.averages.merge.paths != nil:
		return a.mergeResults(ctx, f)
	case f.averages.on:
		return a.average(ctx, f)
	}
	files, err := f.pictures.create()
	if err != nil {
		return err
	}
	defer files.abort()
	r, err := a.runTrace(ctx, flags, f)
	a.bar.Close()
	if err != nil {
		return err
	}
	page := pictures.Page{Trace: r.Result, Notes: append(r.notes(), r.Warnings...), Sections: hypothesisSections(r.Hypothesis, allRows)}
	if err := files.write(page); err != nil {
		return err
	}
	if a.json {
		for _, w := range r.Warnings { // which for people are printed with the trace
			a.log.Warn(w)
		}
		return a.printJSON(r)
	}
	return a.printTrace(r, page)
}

// runTrace loads the model and traces.
func (a *app) runTrace(ctx context.Context, flags *pflag.FlagSet, f *traceFlags) (*traceResult, error) {
	facts, err := a.facts(f.averages.requests)
	if err != nil {
		return nil, err
	}
	text, err := f.readText(a.inputs)
	if err != nil {
		return nil, err
	}
	options, err := f.engine.options(ctx, a.inputs)
	if err != nil {
		return nil, err
	}
	if options.Profile, err = a.startProfile(f.engine.profile, f.pictures.force); err != nil {
		return nil, err
	}
	request := fact.Request{Prompt: f.reading.text(f.prompt), Subject: f.reading.text(f.subject)}
	f.reading.request(&request)
	if _, _, _, err := fact.Place(request.Prompt, request.Subject); err != nil {
		return nil, err
	}
	if err := a.checkInputs(f); err != nil {
		return nil, err
	}
	a.notUsed(f.unused(flags))
	m, err := engine.Open(ctx, f.model, options)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	p, err := request.InTokens(m)
	if err != nil {
		return nil, err
	}
	out := &traceResult{Schema: traceSchema, Model: f.model, SVG: f.pictures.svg, HTML: f.pictures.html, Warnings: []string{}}
	if out.Warnings, err = f.readingWarnings(m, request, p); err != nil {
		return nil, err
	}
	if f.traces() {
		hider, err := f.corruption.hider(ctx, m, facts, int64(f.engine.memory))
		if err != nil {
			return nil, err
		}
		if err := a.traceOne(ctx, f, m, p, hider, out); err != nil {
			return nil, err
		}
	}
	if f.hypothesis {
		h, err := a.hypothesis(ctx, m, p, text)
		if err != nil {
			return nil, err
		}
		out.Hypothesis = h
		out.Warnings = append(out.Warnings, h.LeftOut...)
	}
	return out, out.doubt(ctx, m, p)
}

// readingWarnings say what was read in the prompt that is not as it was written.
func (f *traceFlags) readingWarnings(m *engine.Model, r fact.Request, p trace.Prompt) ([]string, error) {
	out := append([]string{}, f.reading.warnings(f.prompt, f.subject, f.corruption.subjectSwap, f.corruption.foil)...)
	notes, err := r.ControlNotes(m, p.Text)
	return append(out, notes...), err
}

// traceOne traces the prompt of the command line.
func (a *app) traceOne(ctx context.Context, f *traceFlags, m *engine.Model, p trace.Prompt, hider *trace.Hider, out *traceResult) error {
	var progress func(done, total int)
	if !a.quiet {
		progress = func(done, total int) { a.bar.Update("tracing", int64(done), int64(total)) }
	}
	cfg := f.config()
	var err error
	if cfg.Foil, err = f.foilOf(ctx, m, p); err != nil {
		return err
	}
	cfg, swapped, err := hider.Config(cfg, p, f.reading.text(f.corruption.subjectSwap))
	if err != nil {
		return err
	}
	cfg.Progress = progress
	tracer := f.tracer(m)
	defer tracer.Close()
	if out.Result, err = tracer.Run(ctx, p, cfg); err != nil {
		return err
	}
	out.Corruption, out.NoiseFrom = hider.Name(), hider.From
	if swapped != nil {
		out.SubjectSwap, out.PromptSwap = f.reading.text(f.corruption.subjectSwap), swapped.Text
	}
	return nil
}

// tracer makes a tracer for the model.
func (f *traceFlags) tracer(m *engine.Model) *trace.Tracer {
	return trace.New(m.Llama(), trace.Options{Threads: m.Info().Threads, Memory: int64(f.engine.memory)})
}

// config is what is measured, whatever the prompt.
func (f *traceFlags) config() trace.Config {
	cfg := trace.Config{
		Window: f.window, Hidden: f.has("hidden"), MLP: f.has("mlp"), Attn: f.has("attn"), Sever: f.sever,
	}
	if f.approx {
		cfg.Approx = &trace.Approx{Steps: f.approxSteps, Refine: f.refine}
	}
	return cfg
}
