package edit

import (
	"context"
	"time"

	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/gguf"
	ffn "retcon/gguf/widen"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// Editor computes edits in memory, each on the unedited model with what was kept
// before, and writes nothing: for scoring many of them one after the other.
type Editor struct {
	s     *session
	layer int
	kept  []lm.Update
}

// Computed is one edit of an Editor.
type Computed struct {
	*Rank
	Seconds float64 // from k* to Delta
	// Refusals are the reasons for which Run would refuse the update as such.
	Refusals []string
	// Neurons are T-Patcher's, in place of the update; not nil for an edit of
	// that method, even if it needs none. Where they overwrite neurons of the
	// model, those are among them, negated.
	Neurons []ffn.Neuron
	// Patches has T-Patcher's report of each trained neuron.
	Patches []PatchReport

	queries []float32 // the fact's own, for the memory
	trained int       // of Neurons, the last ones
}

// NewEditor readies the edits of cfg, whose requests and outputs are not used:
// it loads the model, samples the prefixes and makes the covariance of the
// layer, which must be one, or T-Patcher's memory.
func NewEditor(ctx context.Context, cfg Config) (*Editor, error) {
	cfg.Output, cfg.LoRA = "", ""
	e := &Editor{s: &session{cfg: &cfg}}
	if err := e.start(ctx); err != nil {
		e.s.close()
		return nil, err
	}
	return e, nil
}

func (e *Editor) start(ctx context.Context) (err error) {
	s, h := e.s, &e.s.cfg.HParams
	if s.cfg.method() == MethodTPatcher {
		return e.startPatches(ctx)
	}
	if h.Auto {
		return fault.Errorf(fact.ErrRequest, "a layer cannot be found for each of many edits: name layers")
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if s.prefixes = h.Prefixes; len(s.prefixes) == 0 {
		if s.prefixes, err = contexts.SamplePrefixes(ctx, s.model, h.PrefixLengths, h.Seed); err != nil {
			return err
		}
	}
	e.layer = h.layer(s.info)
	if _, _, err := s.weight(ctx, e.layer); err != nil {
		return err
	}
	_, err = s.solver(ctx, e.layer)
	return err
}

// Compute computes the edit of a fact on the unedited model with the edits that
// were kept: apply it to see it work. step, if not nil, is told of each step of
// the optimisation.
func (e *Editor) Compute(ctx context.Context, r fact.Request, step func(done, most int)) (*Computed, error) {
	fact, err := r.Resolve()
	if err != nil {
		return nil, err
	}
	if e.s.patches != nil {
		return e.computePatches(ctx, fact, step)
	}
	s := e.s
	if err := s.model.Apply(e.kept); err != nil {
		return nil, err
	}
	start := time.Now()
	rank, err := rome(ctx, s.model, fact, e.layer, s.prefixes, s.solvers[e.layer], s.cfg.HParams, func(i int, _ StepLoss) {
		if step != nil {
			step(i+1, s.cfg.HParams.Steps)
		}
	})
	if err != nil {
		return nil, err
	}
	return e.judged(rank, time.Since(start).Seconds())
}

// judged is the edit that rome came to.
func (e *Editor) judged(rank *Rank, seconds float64) (*Computed, error) {
	c := &Computed{Rank: rank, Seconds: seconds}
	if !vec.Finite(rank.Left) || !vec.Finite(rank.Right) {
		return nil, fault.Errorf(ErrRefused, "the update is not finite")
	}
	rank.Report.WeightNorm = e.s.norms[e.layer]
	warnings, refusals := rank.judge()
	rank.Warnings, c.Refusals = append(rank.Warnings, warnings...), refusals
	return c, nil
}

// Keep lets later edits be computed on top of this one, as a sequence of edits
// is.
func (e *Editor) Keep(c *Computed) {
	if e.s.patches != nil {
		e.s.take(nil, c)
		return
	}
	e.kept = append(e.kept, c.Update)
}

// Model is the model under edit.
func (e *Editor) Model() lm.Model { return e.s.model }

// Layer is the layer that is edited.
func (e *Editor) Layer() int { return e.layer }

// TensorType is the type of the tensor that is edited.
func (e *Editor) TensorType() gguf.Type { return e.s.weights[e.layer].Info.Type }

// Stats says what the covariance was made from; nothing for T-Patcher.
func (e *Editor) Stats() Stats { return e.s.made[e.layer] }

// HParams are the hyper-parameters in full, the prefixes included.
func (e *Editor) HParams() HParams {
	h := e.s.cfg.HParams
	h.Layers, h.Prefixes = []int{e.layer}, e.s.prefixes
	return h
}

// StatsSeconds is the time that the covariance took.
func (e *Editor) StatsSeconds() float64 { return e.s.res.StatsSeconds }

// Warnings are those of making ready.
func (e *Editor) Warnings() []string { return e.s.cfg.warnings }

// Close closes the model.
func (e *Editor) Close() error {
	e.s.close()
	return nil
}
