package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"retcon/engine"
	"retcon/fact"
	"retcon/trace"
	"retcon/trace/average"
)

// corruptionFlags say how the subject is hidden.
type corruptionFlags struct {
	kind        string
	noise       string
	level       trace.Level // that noise says
	replace     bool
	samples     int
	seed        uint64
	subjectSwap string
	foil        string
}

func (f *corruptionFlags) set() *pflag.FlagSet {
	f.kind, f.noise = "noise", "3s"
	fs := newFlagSet("corruption")
	fs.Var(choice{value: &f.kind, allowed: []string{"noise", "swap"}}, "corrupt", "add noise to the subject, or swap another subject in")
	fs.Var(text{&f.noise, "LEVEL"}, "noise", "standard deviation of the noise; 3s is three times that of the embeddings: of all, or of the subjects in --requests; u0.1 or u3s is uniform noise up to that")
	fs.BoolVar(&f.replace, "replace", false, "noise in the place of the subject's embeddings, not added to them")
	fs.IntVar(&f.samples, "samples", 10, "samples of noise, the same for every cell")
	fs.Uint64VarP(&f.seed, "seed", "s", 1, "seed of the noise")
	fs.Var(text{&f.subjectSwap, "TEXT"}, "subject-swap", "the other subject, of as many tokens in the prompt")
	fs.Var(text{&f.foil, "TEXT"}, "foil", "also measure the answer's logit less that of this one's first token (with swap: that of the other subject's answer)")
	fromEnvironment(fs, "seed", "RETCON_SEED")
	return fs
}

// check finds flags that do not go together.
func (f *corruptionFlags) check(flags *pflag.FlagSet, averages bool) (err error) {
	if f.swaps() {
		for _, name := range []string{"noise", "replace", "samples"} {
			if flags.Changed(name) {
				return usagef("--%s is of noise; --corrupt swap has none", name)
			}
		}
	}
	switch {
	case averages && f.subjectSwap != "":
		return usagef("--average takes the other subjects from the facts: give each its \"subject_swap\"")
	case averages && f.foil != "":
		return usagef("--foil is of one prompt; averages have the logit difference with --corrupt swap")
	case f.swaps() && f.subjectSwap == "" && !averages:
		return usagef("--corrupt swap: which subject takes its place? give --subject-swap SUBJECT")
	case !f.swaps() && f.subjectSwap != "":
		return usagef("--subject-swap is of --corrupt swap")
	}
	if err := counts(count{"samples", f.samples, 1, trace.MaxSamples}); err != nil {
		return err
	}
	f.level, err = trace.ParseLevel(f.noise)
	return err
}

func (f *corruptionFlags) swaps() bool { return f.kind == "swap" }

// hider hides subjects in prompts of a model, with a relative level of noise
// taken from the subjects of facts, if there are any. Noise takes a quarter of the
// memory, in bytes, at most.
func (f *corruptionFlags) hider(ctx context.Context, m *engine.Model, facts []average.Fact, memory int64) (*trace.Hider, error) {
	h := trace.Hiding{Swap: f.swaps(), Level: f.level, Replace: f.replace, Samples: f.samples, Seed: f.seed, Memory: memory / 4}
	for _, fact := range facts {
		h.Subjects = append(h.Subjects, fact.Subject)
	}
	return trace.NewHider(ctx, m.Llama(), h)
}

// foilOf is the token of --foil that would follow the prompt.
func (f *traceFlags) foilOf(ctx context.Context, m *engine.Model, p trace.Prompt) (trace.Foil, error) {
	foil := f.reading.text(f.corruption.foil)
	if foil == "" {
		return trace.Foil{}, nil
	}
	r := fact.Request{Prompt: f.reading.text(f.prompt), Subject: f.reading.text(f.subject), TargetNew: foil}
	f.reading.request(&r)
	if err := r.Settle(ctx, m); err != nil {
		return trace.Foil{}, err
	}
	follows, err := r.Resolve()
	if err != nil {
		return trace.Foil{}, fmt.Errorf("--foil: %w", err)
	}
	token, err := p.Next(m, follows.New)
	if err != nil {
		return trace.Foil{}, fmt.Errorf("--foil: %w", err)
	}
	return trace.FoilToken(token), nil
}

// corruptionText says how subjects were hidden, for people.
func corruptionText(name string, noise float64, from string, samples int) string {
	if name == trace.Swapped {
		return "another subject in the place of the prompt's"
	}
	kind, place, _ := strings.Cut(name, " in place")
	if place != "" {
		place = " in place" + place
	}
	if kind == "noise" {
		kind = "Gaussian noise of standard deviation"
	} else {
		kind = "uniform noise of at most"
	}
	return fmt.Sprintf("%s %.4g%s (%s), %s", kind, noise, place, from, counted(samples, "sample"))
}
