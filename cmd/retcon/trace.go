package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"retcon/engine"
	"retcon/internal/atomicfile"
	pictures "retcon/report"
	"retcon/trace"
)

// traceFlags are the flags of trace as they stand on the command line.
type traceFlags struct {
	engine                 engineFlags
	model, prompt, subject string
	kinds                  []string
	sever                  bool
	noise                  string
	samples, window        int
	seed                   uint64
	svg                    string
	force                  bool
	averages               averageFlags
}

// unsure is the probability of the answer below which a trace says little.
const unsure = 0.1

// traceSchema is the version of the JSON of trace.
const traceSchema = 1

// traceResult is a trace as it is printed with --json.
type traceResult struct {
	Schema int    `json:"schema"`
	Model  string `json:"model"`
	*trace.Result
	NoiseFrom string   `json:"noise_from"` // what the noise level was taken from
	SVG       string   `json:"svg"`
	Warnings  []string `json:"warnings"`
}

const traceExamples = `  retcon trace -m model.gguf -p "The Space Needle is in the city of" --subject "Space Needle"
      shows at which tokens and layers the answer comes back when the subject is hidden by noise

  retcon trace -m model.gguf -p "The Space Needle is in the city of" --subject "Space Needle" --sever --svg needle.svg
      also with FFN and attention outputs held to their corrupted values, and as a picture

  retcon trace -m model.gguf --requests known.json --average -o results.jsonl
      averages over the facts that the model gets right; --resume goes on after an interruption`

func (a *app) traceCommand(common *pflag.FlagSet, f *traceFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace -m MODEL -p PROMPT --subject SUBJECT [--svg OUT.svg] | --requests FILE --average [-o OUT.jsonl]",
		Short: "Show where a model recalls a fact",
		Long: "Show where a model recalls a fact, by causal tracing: noise hides the subject, then one value at a time\n" +
			"is put back to what it was without noise, and the answer's probability says how much that value carries.",
		Example:               traceExamples,
		Args:                  noArguments,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
	}
	groups := []group{
		{"What to trace", f.promptFlags()},
		{"The experiment", f.experimentFlags()},
		{"Averages over facts", f.averages.set()},
		{"Running the model", f.engine.machine()},
	}
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.flags)
	}
	setHelp(cmd, append(groups, group{"Output", common})...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.trace(cmd.Context(), f) }
	return cmd
}

func (f *traceFlags) promptFlags() *pflag.FlagSet {
	fs := newFlagSet("prompt")
	fs.VarP(text{&f.model, "FILE"}, "model", "m", "the GGUF; of a split model any of its files")
	fs.VarP(text{&f.prompt, "TEXT"}, "prompt", "p", "a prompt that the model answers with the fact; it holds the subject")
	fs.Var(text{&f.subject, "TEXT"}, "subject", "the part of the prompt that the fact is about")
	fs.Var(text{&f.svg, "FILE"}, "svg", "write the picture there")
	fs.BoolVar(&f.force, "force", false, "replace a file that exists")
	fromEnvironment(fs, "model", "LLAMA_ARG_MODEL")
	return fs
}

func (f *traceFlags) experimentFlags() *pflag.FlagSet {
	f.noise = "3s"
	fs := newFlagSet("experiment")
	fs.StringSliceVar(&f.kinds, "kind", []string{"hidden", "mlp", "attn"}, "what is put back, `hidden,mlp,attn`: the state behind a layer, FFN or attention outputs in a window of layers")
	fs.BoolVar(&f.sever, "sever", false, "also the subject's last state with FFN or attention held to corrupted values")
	fs.Var(text{&f.noise, "LEVEL"}, "noise", "standard deviation of the noise; 3s is three times that of the embeddings: of all, or of the subjects in --requests")
	fs.IntVar(&f.samples, "samples", 10, "draws of noise, the same for every cell")
	fs.IntVar(&f.window, "window", 10, "layers of a window of FFN or attention outputs")
	fs.Uint64VarP(&f.seed, "seed", "s", 1, "seed of the noise")
	fromEnvironment(fs, "seed", "RETCON_SEED")
	return fs
}

// check finds what is wrong with the flags before a model is loaded.
func (f *traceFlags) check() (trace.Level, error) {
	if err := f.checkAverage(); err != nil {
		return trace.Level{}, err
	}
	switch {
	case f.averages.merge != nil:
		return trace.Level{}, nil
	case f.model == "":
		return trace.Level{}, usagef("which model? give -m MODEL.gguf")
	case f.averages.on:
	case f.prompt == "" || f.subject == "":
		return trace.Level{}, usagef("what is to be traced? give -p PROMPT and --subject SUBJECT")
	}
	if f.samples < 1 || f.window < 1 {
		return trace.Level{}, usagef("--samples %d, --window %d: at least 1", f.samples, f.window)
	}
	for _, k := range f.kinds {
		if !slices.Contains([]string{"hidden", "mlp", "attn"}, k) {
			return trace.Level{}, usagef("--kind %q: hidden, mlp or attn, or several with commas", k)
		}
	}
	return trace.ParseLevel(f.noise)
}

// trace runs the command.
func (a *app) trace(ctx context.Context, f *traceFlags) error {
	level, err := f.check()
	switch {
	case err != nil:
		return err
	case f.averages.merge != nil:
		return a.mergeResults(f)
	case f.averages.on:
		return a.average(ctx, f, level)
	}
	var picture *atomicfile.File
	if f.svg != "" {
		if picture, err = atomicfile.Create(f.svg, atomicfile.Options{Force: f.force, Inputs: []string{f.model}}); err != nil {
			return err
		}
		defer picture.Abort()
	}
	r, err := a.runTrace(ctx, f, level)
	a.bar.Close()
	if err != nil {
		return err
	}
	shown := shownTrace(r.Result)
	if picture != nil {
		if err := writePicture(picture, shown); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(r)
	}
	return a.printTrace(r, shown)
}

func writePicture(f *atomicfile.File, t pictures.Trace) error {
	if err := pictures.WriteSVG(f, t); err != nil {
		return err
	}
	return f.Commit()
}

// runTrace loads the model and traces.
func (a *app) runTrace(ctx context.Context, f *traceFlags, level trace.Level) (*traceResult, error) {
	facts, err := a.facts(f.averages.requests)
	if err != nil {
		return nil, err
	}
	options, err := f.engine.options(ctx)
	if err != nil {
		return nil, err
	}
	m, err := engine.Open(ctx, f.model, options)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	p, err := trace.NewPrompt(m.Llama(), f.prompt, f.subject)
	if err != nil {
		return nil, err
	}
	noise, err := f.noiseLevel(ctx, m.Llama(), level, facts)
	if err != nil {
		return nil, err
	}
	var progress func(done, total int)
	if !a.quiet {
		progress = func(done, total int) { a.bar.Update("tracing", int64(done), int64(total)) }
	}
	tracer := f.tracer(m)
	defer tracer.Close()
	out := &traceResult{Schema: traceSchema, Model: f.model, NoiseFrom: noise.from, SVG: f.svg, Warnings: []string{}}
	if out.Result, err = f.tracePrompt(ctx, tracer, m, p, noise.figure, progress); err != nil {
		return nil, err
	}
	if out.PClean < unsure {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the model answers %q with %s only: the trace says little about a fact that it hardly knows", strings.TrimSpace(out.Answer), percent(out.PClean)))
	}
	return out, nil
}

// tracer makes a tracer for the model.
func (f *traceFlags) tracer(m *engine.Model) *trace.Tracer {
	return trace.New(m.Llama(), trace.Options{Threads: m.Info().Threads})
}

// tracePrompt does the experiment on a prompt.
func (f *traceFlags) tracePrompt(ctx context.Context, t *trace.Tracer, m *engine.Model, p trace.Prompt, noise float64, progress func(done, total int)) (*trace.Result, error) {
	return t.Run(ctx, p, trace.Config{
		Corruption: trace.Corruption{Noise: trace.GaussianNoise(f.seed, f.samples, p.End-p.Begin, m.Info().Width, noise)},
		Level:      noise, Window: f.window, Foil: trace.NoFoil,
		Hidden: slices.Contains(f.kinds, "hidden"), MLP: slices.Contains(f.kinds, "mlp"), Attn: slices.Contains(f.kinds, "attn"),
		Sever: f.sever, Progress: progress,
	})
}

// shownTrace is a result as the pictures take it.
func shownTrace(r *trace.Result) pictures.Trace {
	t := pictures.Trace{
		Prompt: r.Prompt, Tokens: r.Tokens, Begin: r.Subject[0], End: r.Subject[1], Answer: r.Answer,
		Clean: r.PClean, Corrupted: r.PCorrupted, Noise: r.Noise, Samples: r.Samples, Window: r.Window,
	}
	single := "single restored layer"
	window := fmt.Sprintf("center of interval of %d restored layers", r.Window)
	for _, g := range []pictures.Grid{
		{Title: "state behind a layer", Axis: single, Kind: pictures.Hidden, Values: r.Hidden},
		{Title: "FFN outputs", Axis: window, Kind: pictures.MLP, Values: r.MLP},
		{Title: "attention outputs", Axis: window, Kind: pictures.Attn, Values: r.Attn},
	} {
		if g.Values != nil {
			t.Grids = append(t.Grids, g)
		}
	}
	if s := r.Severed; s != nil {
		t.Severed = &pictures.Severed{Single: s.Single, MLPSevered: s.MLPSevered, AttnSevered: s.AttnSevered}
	}
	return t
}

// printTrace prints the trace for people.
func (a *app) printTrace(r *traceResult, shown pictures.Trace) error {
	if err := pictures.WriteTerminal(a.stdout, shown, a.terminal()); err != nil {
		return err
	}
	w := io.Writer(a.stdout)
	fmt.Fprintf(w, "\nnoise %.4g (%s), %d samples, %.1f s\n", r.Noise, r.NoiseFrom, r.Samples, r.Seconds)
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
	if r.SVG != "" {
		fmt.Fprintf(w, "written: %s\n", r.SVG)
	}
	return nil
}

// terminal is how wide and how colourful stdout may be.
func (a *app) terminal() pictures.TerminalOptions {
	o := pictures.Detect(a.stdout.w)
	switch {
	case !a.styled():
		o.Colour = pictures.NoColour
	case o.Colour == pictures.NoColour:
		o.Colour = pictures.Colour256 // asked for, --color on
	}
	return o
}
