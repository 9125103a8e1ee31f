package main

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// traceFlags are the flags of trace as they stand on the command line.
type traceFlags struct {
	engine                 engineFlags
	reading                readingFlags
	model, prompt, subject string
	kinds                  []string
	sever                  bool
	window                 int
	approx                 bool
	approxSteps, refine    int
	corruption             corruptionFlags
	hypothesis             bool
	text                   string
	pictures               pictureFlags
	averages               averageFlags
}

const traceExamples = `  retcon trace -m model.gguf -p "The Space Needle is in the city of" --subject "Space Needle" --html needle.html
      shows at which tokens and layers the answer comes back when the subject is hidden by noise

  retcon trace -m model.gguf -p "The Space Needle is in the city of" --corrupt swap --subject "Space Needle" --subject-swap "Eiffel Tower"
      hides it behind another subject instead, and compares the two answers' logits

  retcon trace -m model.gguf -p "The Space Needle is in the city of" --subject "Space Needle" --hypothesis --kind none
      what the FFNs promote, what attention moves, and what exchanging or dropping layers does

  retcon trace -m model.gguf --requests known.json --average -o results.jsonl
      averages over the facts that the model gets right; --resume goes on after an interruption`

func (a *app) traceCommand(common *pflag.FlagSet, f *traceFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace -m MODEL -p PROMPT --subject SUBJECT [--html OUT.html] | --requests FILE --average [-o OUT.jsonl]",
		Short: "Show where a model recalls a fact",
		Long: "Show where a model recalls a fact, by causal tracing: noise hides the subject, then one value at a time\n" +
			"is put back to what it was without noise, and the answer's probability says how much that value carries.",
		Example: traceExamples,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.profiled(func() error { return a.trace(cmd.Context(), cmd.Flags(), f) })
	}
	return command(cmd, common,
		group{"What to trace", f.promptFlags()},
		group{"How the subject is hidden", f.corruption.set()},
		group{"What is measured", f.experimentFlags()},
		group{"Pictures", f.pictures.set()},
		group{"Averages over facts", f.averages.set()},
		group{"Running the model", f.engine.profiled(f.engine.bounded(f.engine.machine(), "a trace"))},
	)
}

func (f *traceFlags) promptFlags() *pflag.FlagSet {
	fs := newFlagSet("prompt")
	fs.VarP(text{&f.model, "FILE"}, "model", "m", "the GGUF; of a split model any of its files")
	fs.VarP(text{&f.prompt, "TEXT"}, "prompt", "p", "a prompt that the model answers with the fact; it holds the subject, or {} in its place")
	fs.Var(text{&f.subject, "TEXT"}, "subject", "the part of the prompt that the fact is about")
	fs.AddFlagSet(f.reading.flags())
	fromEnvironment(fs, "model", "LLAMA_ARG_MODEL")
	return fs
}

func (f *traceFlags) experimentFlags() *pflag.FlagSet {
	fs := newFlagSet("experiment")
	fs.StringSliceVar(&f.kinds, "kind", []string{"hidden", "mlp", "attn"}, "`hidden,mlp,attn`: what is restored: the state after a layer, FFN or attention outputs in a window of layers; or none")
	fs.IntVar(&f.window, "window", 10, "layers of a window of FFN or attention outputs")
	fs.BoolVar(&f.sever, "sever", false, "also the subject's last state with FFN or attention held to corrupted values")
	fs.BoolVar(&f.approx, "approx", false, "estimate the heat maps from gradients: a map for a first look, in a thirtieth of the time")
	fs.IntVar(&f.refine, "refine", 0, "with --approx, compute N cells of each heat map exactly, where the strongest is likely; 24 find the strongest in 9 of 10 prompts")
	fs.IntVar(&f.approxSteps, "approx-steps", 1, "with --approx, points between corrupted and clean embeddings to take gradients at")
	fs.BoolVar(&f.hypothesis, "hypothesis", false, "also test the storage hypothesis: FFN memory, attention knock-out, layers exchanged and dropped")
	fs.Var(text{&f.text, "FILE"}, "text", "text whose perplexity --hypothesis measures (default: one on everyday matters)")
	return fs
}

// check finds what is wrong with the flags before a model is loaded.
func (f *traceFlags) check(flags *pflag.FlagSet) error {
	if err := f.checkAverage(); err != nil {
		return err
	}
	switch {
	case f.averages.merge.paths != nil:
		return nil
	case f.model == "":
		return usagef("which model? give -m MODEL.gguf")
	case f.averages.on:
	case f.prompt == "" || f.subject == "":
		return usagef("what is to be traced? give -p PROMPT and --subject SUBJECT")
	}
	if err := f.checkKinds(); err != nil {
		return err
	}
	switch {
	case !f.approx && (f.refine != 0 || f.approxSteps != 1):
		return usagef("--refine and --approx-steps are of --approx")
	case f.approx && len(f.kinds) == 0:
		return usagef("--approx estimates heat maps, and --kind none has none")
	case f.approx && f.corruption.foil != "":
		return usagef("--approx does not estimate logit differences: leave out --foil")
	case f.text != "" && !f.hypothesis:
		return usagef("--text is read by --hypothesis only")
	case f.pictures.svg != "" && !f.traces():
		return usagef("--svg draws what is traced: with --kind none give --sever, or --html for the rest")
	}
	if err := counts(count{"window", f.window, 1, mostWindow}, count{"refine", f.refine, 0, mostCells}, count{"approx-steps", f.approxSteps, 1, mostPoints}); err != nil {
		return err
	}
	return f.corruption.check(flags, f.averages.on)
}

// checkKinds turns none into no kinds.
func (f *traceFlags) checkKinds() error {
	if slices.Equal(f.kinds, []string{"none"}) {
		if f.kinds = []string{}; !f.sever && !f.hypothesis {
			return usagef("--kind none leaves nothing to do: give --sever or --hypothesis")
		}
		return nil
	}
	if len(f.kinds) == 0 {
		return usagef("--kind: hidden, mlp or attn, several with commas, or none")
	}
	for _, k := range f.kinds {
		if !slices.Contains([]string{"hidden", "mlp", "attn"}, k) {
			return usagef("--kind %q: hidden, mlp or attn, several with commas, or none", k)
		}
	}
	return nil
}

// traces reports whether there is anything to trace.
func (f *traceFlags) traces() bool { return len(f.kinds) > 0 || f.sever }

func (f *traceFlags) has(kind string) bool { return slices.Contains(f.kinds, kind) }
