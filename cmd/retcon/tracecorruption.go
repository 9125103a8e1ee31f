package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"retcon/fact"
	"retcon/llama"
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
	fs.IntVar(&f.samples, "samples", 10, "draws of noise, the same for every cell")
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
	case f.samples < 1:
		return usagef("--samples %d: at least 1", f.samples)
	}
	f.level, err = trace.ParseLevel(f.noise)
	return err
}

func (f *corruptionFlags) swaps() bool { return f.kind == "swap" }

// name tells kinds of corruption apart, in results too.
func (f *corruptionFlags) name() string {
	name := f.kind
	if f.swaps() {
		return name
	}
	if f.level.Uniform {
		name = "uniform " + name
	}
	if f.replace {
		name += " in place of the embeddings"
	}
	return name
}

// corrupter hides subjects in prompts of one model.
type corrupter struct {
	*corruptionFlags
	noiseLevel
	model *llama.Model
}

// noiseLevel is how much noise there is: the standard deviation, or the bound
// of uniform noise, and where it is from.
type noiseLevel struct {
	figure float64
	from   string
}

// corrupter measures the embeddings for a relative level: those of the subjects
// of facts, or all where there are none.
func (f *traceFlags) corrupter(ctx context.Context, m *llama.Model, facts []average.Fact) (*corrupter, error) {
	c := &corrupter{corruptionFlags: &f.corruption, model: m}
	level := f.corruption.level
	switch {
	case c.swaps():
		return c, nil
	case !level.Relative:
		c.noiseLevel = noiseLevel{level.Value, "given"}
		return c, nil
	case len(facts) == 0:
		d, err := trace.EmbeddingDeviation(ctx, f.model)
		c.noiseLevel = noiseLevel{level.Value * d, fmt.Sprintf("%g times the deviation of the embedding table, %.4g", level.Value, d)}
		return c, err
	}
	var subjects []string
	for _, fact := range facts {
		subjects = append(subjects, fact.Subject)
	}
	tokens, err := trace.SubjectTokens(m, subjects)
	if err != nil {
		return nil, err
	}
	d, err := trace.SubjectDeviation(ctx, f.model, tokens)
	c.noiseLevel = noiseLevel{level.Value * d, fmt.Sprintf("%g times the deviation of the embeddings of %d subjects' %d tokens, %.4g", level.Value, len(subjects), len(tokens), d)}
	return c, err
}

// of is the corruption of a prompt, the swapped prompt where there is one, and
// the foil.
func (c *corrupter) of(p trace.Prompt, subjectSwap string) (out trace.Corruption, swapped *trace.Prompt, foil int32, err error) {
	foil = trace.NoFoil
	if c.foil != "" {
		if foil, err = p.Next(c.model, fact.Follow(p.Text, c.foil)); err != nil {
			return out, nil, foil, fmt.Errorf("--foil: %w", err)
		}
	}
	if !c.swaps() {
		out.Noise = c.level.Draw(c.seed, c.samples, p.End-p.Begin, c.model.Info().Width, c.figure)
		out.Replace = c.replace
		return out, nil, foil, nil
	}
	q, err := p.Swap(c.model, subjectSwap)
	if foil == trace.NoFoil {
		foil = trace.FoilOfSwap
	}
	return trace.Corruption{Tokens: q.Tokens}, &q, foil, err
}

// corruptionText says how subjects were hidden, for people.
func corruptionText(name string, noise float64, from string, samples int) string {
	if name == "swap" {
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
