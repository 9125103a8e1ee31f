package trace

import (
	"context"
	"fmt"

	"retcon/internal/fault"
	"retcon/internal/human"
	"retcon/llama"
)

// Hiding says how subjects are hidden. The zero value adds Gaussian noise of
// three standard deviations of the model's embeddings, in ten samples.
type Hiding struct {
	// Swap puts another subject in the subject's place. All that follows is of
	// noise.
	Swap bool
	// Level is how much noise there is; zero: three deviations.
	Level Level
	// Replace puts the noise in the place of the embeddings, instead of adding
	// it.
	Replace bool
	Samples int // 0: ten
	Seed    uint64
	// Memory is the most bytes that the noise of a prompt may take; 0: any.
	Memory int64
	// Subjects are those whose tokens' embeddings a relative level is a multiple
	// of, as in ROME; nil: all embeddings of the model.
	Subjects []string
}

// What a Hiding's zero value means.
const (
	defaultDeviations = 3
	defaultSamples    = 10
)

// withDefaults fills in what is zero.
func (h Hiding) withDefaults() Hiding {
	if h.Level == (Level{}) {
		h.Level = Level{Value: defaultDeviations, Relative: true}
	}
	if h.Samples == 0 {
		h.Samples = defaultSamples
	}
	return h
}

// Swapped is the name of hiding by another subject; see Hiding.Name.
const Swapped = "swap"

// Name tells ways to hide a subject apart, as in results: "swap", "noise",
// "uniform noise", the latter two also "in place of the embeddings".
func (h Hiding) Name() string {
	if h.Swap {
		return Swapped
	}
	name := "noise"
	if h.Level.Uniform {
		name = "uniform " + name
	}
	if h.Replace {
		name += " in place of the embeddings"
	}
	return name
}

// MaxSamples bounds the draws of noise, all of which are in memory.
const MaxSamples = 10_000

// Hider hides subjects in the prompts of one model.
type Hider struct {
	Hiding
	// Figure is the absolute level of the noise: the standard deviation, or the
	// bound of uniform noise; 0 where subjects are swapped.
	Figure float64
	// From says where the figure is from, for people.
	From string

	model *llama.Model
}

// NewHider is a Hider for a model. For a relative level it measures the
// embeddings in the model's file.
func NewHider(ctx context.Context, m *llama.Model, h Hiding) (*Hider, error) {
	if h.Samples < 0 || h.Samples > MaxSamples {
		return nil, fmt.Errorf("%w: %d samples of noise, at most %d", llama.ErrInvalid, h.Samples, MaxSamples)
	}
	out := &Hider{Hiding: h.withDefaults(), model: m}
	level := out.Level
	switch {
	case h.Swap:
		return out, nil
	case !level.Relative:
		out.Figure, out.From = level.Value, "given"
		return out, nil
	}
	what := "the embedding table"
	var deviation float64
	var err error
	if len(h.Subjects) == 0 {
		deviation, err = EmbeddingDeviation(ctx, m.Info().Path)
	} else {
		var tokens []int32
		if tokens, err = SubjectTokens(m, h.Subjects); err != nil {
			return nil, err
		}
		what = fmt.Sprintf("the embeddings of %d subjects' %d tokens", len(h.Subjects), len(tokens))
		deviation, err = SubjectDeviation(ctx, m.Info().Path, tokens)
	}
	out.Figure = level.Value * deviation
	out.From = fmt.Sprintf("%g times the deviation of %s, %.4g", level.Value, what, deviation)
	return out, err
}

// Hide is the corruption that hides a prompt's subject: noise, or with Swap the
// subject other in its place, in which case the prompt with it comes too.
func (h *Hider) Hide(p Prompt, other string) (c Corruption, swapped *Prompt, err error) {
	if !h.Swap {
		if need := 4 * int64(h.Samples) * int64(p.End-p.Begin) * int64(h.model.Info().Width); h.Memory > 0 && need > h.Memory {
			return c, nil, fault.Errorf(ErrPrompt, "noise of %d samples for a subject of %d tokens takes %s, and %s may be taken for it: fewer samples, or more memory", h.Samples, p.End-p.Begin, human.Bytes(need), human.Bytes(h.Memory))
		}
		return Corruption{
			Noise:   h.Level.Draw(h.Seed, h.Samples, p.End-p.Begin, h.model.Info().Width, h.Figure),
			Replace: h.Replace,
		}, nil, nil
	}
	q, err := p.Swap(h.model, other)
	return Corruption{Tokens: q.Tokens}, &q, err
}

// Config is cfg with the prompt's subject hidden: its Corruption, its Level and,
// where a subject is swapped in and nothing else is named, the foil, which is
// that one's answer. Estimates measure no logit differences and get none.
func (h *Hider) Config(cfg Config, p Prompt, other string) (out Config, swapped *Prompt, err error) {
	cfg.Level = h.Figure
	if cfg.Corruption, swapped, err = h.Hide(p, other); err != nil {
		return cfg, nil, err
	}
	if h.Swap && cfg.Foil == (Foil{}) && cfg.Approx == nil {
		cfg.Foil = FoilOfSwap()
	}
	return cfg, swapped, nil
}
