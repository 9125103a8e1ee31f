package rome

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"retcon/edit/contexts"
	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/lm"
)

// The two forms of the rank-one update.
const (
	// Consistent uses the mean key in every place (r-ROME, arXiv 2403.07175).
	Consistent = "consistent"
	// Original divides by the bare prompt's key against a u made from the mean
	// key, as kmeng01/rome does. It is there for comparison.
	Original = "original"
)

// The places where the KL term is read.
const (
	KLSubject = "subject" // the subject's last token, as the reference's code does
	KLEnd     = "end"     // after "is a", as the paper's text says
)

// HParams are the hyper-parameters of ROME. JSON names are those of
// kmeng01/rome where it has them.
type HParams struct {
	// Layers has the layer to edit; empty means DefaultLayer.
	Layers []int `json:"layers,omitempty"`
	// Auto tries several layers on the first fact.
	Auto bool `json:"layer_auto,omitempty"`
	// Steps is the number of evaluations of the loss; the last takes no step.
	Steps int `json:"v_num_grad_steps"`
	// Optimizer is Polyak or Adam.
	Optimizer string `json:"optimizer"`
	// LR is Adam's learning rate.
	LR float64 `json:"v_lr"`
	// MaxStep is the most that ||delta|| changes in a step of Polyak's, in parts
	// of ||W k||.
	MaxStep float64 `json:"max_step"`
	// StopLoss ends the optimisation once the total loss is below it, StopNLL
	// once the target's mean -log p over a step's prompts is.
	StopLoss   float64 `json:"stop_loss"`
	StopNLL    float64 `json:"stop_nll"`
	KLFactor   float64 `json:"kl_factor"`
	KLPosition string  `json:"kl_position"`
	// WeightDecay times ||delta|| / ||W k||² is added to the loss.
	WeightDecay float64 `json:"v_weight_decay"`
	// Clamp is the most that ||delta|| may be, in parts of ||W k||.
	Clamp float64 `json:"clamp_norm_factor"`
	// PrefixLengths has {tokens, how many} of the prefixes to sample.
	PrefixLengths [][2]int `json:"context_template_length_params"`
	// Prefixes, if not empty, are used instead of sampled ones.
	Prefixes []string `json:"prefixes,omitempty"`
	// Chat puts the prompt in conversations too: contexts.Answer, Turn, Both, or
	// none if empty.
	Chat        string          `json:"chat,omitempty"`
	Denominator string          `json:"denominator"`
	Covariance  covariance.Kind `json:"covariance"`
	Seed        uint64          `json:"seed"`
	// StepRows is about how many rows a step of the optimisation takes; the
	// prompts after prefixes take turns. 0 takes all rows in each step.
	StepRows int `json:"rows_per_step"`
}

// DefaultHParams are the reference's for GPT-2, with r-ROME's denominator and an
// optimiser that needs fewer steps.
func DefaultHParams() HParams {
	return HParams{
		Steps: 20, Optimizer: Polyak, MaxStep: 0.8, LR: 0.5, StopLoss: 0.05, StopNLL: 0.03, StepRows: 8,
		KLFactor: 0.0625, KLPosition: KLSubject, WeightDecay: 0.5, Clamp: 4,
		PrefixLengths: [][2]int{{5, 10}, {10, 10}},
		Denominator:   Consistent, Covariance: covariance.KindFull, Seed: 1,
	}
}

// DefaultLayer is where facts are edited when nothing else is asked for: a
// third of the way up in GPT-2's family, a sixth in all later ones. The layers
// published for ROME lie there: 8 of 24, 12 of 36, 17 of 48 (GPT-2), 5 of 28
// (GPT-J), 5 of 32 (Llama).
func DefaultLayer(arch string, layers int) int {
	depth := 1. / 6
	if strings.HasPrefix(arch, "gpt2") || arch == "gptneox" || arch == "bloom" || arch == "starcoder" {
		depth = 1. / 3
	}
	return min(max(0, layers-1), int(math.Round(depth*float64(layers))))
}

// check reports values that make no sense.
func (h HParams) check(info lm.Info) error {
	for _, l := range h.Layers {
		if l < 0 || l >= info.Layers {
			return fault.Errorf(fact.ErrRequest, "layer %d: the model has layers 0 to %d", l, info.Layers-1)
		}
	}
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	for _, l := range h.PrefixLengths {
		if l[0] < 1 || l[1] < 0 || l[0] > 512 || l[1] > 1000 {
			return fault.Errorf(fact.ErrRequest, "context_template_length_params: %v is no {tokens, count}", l)
		}
	}
	switch {
	case len(h.Layers) > 1:
		return fault.Errorf(lm.ErrUnsupported, "ROME edits one layer, not %v", h.Layers)
	case h.Steps < 1 || h.Steps > 10000:
		return fault.Errorf(fact.ErrRequest, "steps must be between 1 and 10000, not %d", h.Steps)
	case !(h.LR > 0) || !finite(h.LR):
		return fault.Errorf(fact.ErrRequest, "the learning rate must be above 0, not %v", h.LR)
	case h.Optimizer != Polyak && h.Optimizer != Adam:
		return fault.Errorf(fact.ErrRequest, "the optimiser is polyak or adam, not %q", h.Optimizer)
	case !(h.MaxStep > 0) || !finite(h.MaxStep):
		return fault.Errorf(fact.ErrRequest, "the longest step must be above 0, not %v", h.MaxStep)
	case h.StepRows < 0:
		return fault.Errorf(fact.ErrRequest, "a step takes 0 rows, for all, or more, not %d", h.StepRows)
	case math.IsNaN(h.StopLoss) || math.IsNaN(h.StopNLL):
		return fault.Errorf(fact.ErrRequest, "the loss to stop at is not a number")
	case !(h.Clamp > 0) || !finite(h.Clamp):
		return fault.Errorf(fact.ErrRequest, "the clamp must be above 0, not %v", h.Clamp)
	case !(h.KLFactor >= 0) || !finite(h.KLFactor):
		return fault.Errorf(fact.ErrRequest, "the KL factor must not be negative: %v", h.KLFactor)
	case !(h.WeightDecay >= 0) || !finite(h.WeightDecay):
		return fault.Errorf(fact.ErrRequest, "the weight decay must not be negative: %v", h.WeightDecay)
	case h.KLPosition != KLSubject && h.KLPosition != KLEnd:
		return fault.Errorf(fact.ErrRequest, "the KL position is subject or end, not %q", h.KLPosition)
	case !slices.Contains([]string{"", contexts.Answer, contexts.Turn, contexts.Both}, h.Chat):
		return fault.Errorf(fact.ErrRequest, "chat is answer, turn or both, not %q", h.Chat)
	case h.Denominator != Consistent && h.Denominator != Original:
		return fault.Errorf(fact.ErrRequest, "the denominator is consistent or original, not %q", h.Denominator)
	}
	if _, err := covariance.ParseKind(string(h.Covariance)); err != nil {
		return fmt.Errorf("%w: %w", fact.ErrRequest, err)
	}
	return nil
}

// layer is the layer to edit.
func (h HParams) layer(info lm.Info) int {
	if len(h.Layers) > 0 {
		return h.Layers[0]
	}
	return DefaultLayer(info.Arch, info.Layers)
}

// orDefaults are the defaults where nothing is said of the optimisation: those of
// DefaultHParams, but for the layer, the prefixes, the conversations, the kind of
// covariance and the seed that are given.
func (h HParams) orDefaults() HParams {
	if h.Steps != 0 || h.Optimizer != "" {
		return h
	}
	d := DefaultHParams()
	d.Layers, d.Auto, d.Prefixes, d.Chat = h.Layers, h.Auto, h.Prefixes, h.Chat
	if h.Covariance != "" {
		d.Covariance = h.Covariance
	}
	if h.Seed != 0 {
		d.Seed = h.Seed
	}
	return d
}
