package edit

import (
	"context"
	"slices"
	"time"

	"retcon/edit/patch"
	"retcon/fact"
	ffn "retcon/gguf/widen"
	"retcon/internal/fault"
	"retcon/lm"
)

// PatchSettings are all that decides a patch besides the model and the fact.
type PatchSettings struct {
	PatchConfig
	Memory string   `json:"memory"`       // digest of the model and the text that the memory is made of
	Texts  []string `json:"prefix_texts"` // that training puts before the prompt
}

// Patch are the settings of T-Patcher, nil for another method.
func (e *Editor) Patch() *PatchSettings {
	s := e.s
	if s.patches == nil {
		return nil
	}
	p := &PatchSettings{PatchConfig: s.cfg.Patch, Memory: s.patches.key, Texts: s.prefixes}
	p.Queries = s.cfg.Patch.queries(s.patches.site.Width)
	return p
}

// mostReused is how many of the last layer's neurons an Editor may overwrite.
const mostReused = 1024

func (e *Editor) startPatches(ctx context.Context) error {
	s := e.s
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.openPatches(ctx); err != nil {
		return err
	}
	e.layer = s.patches.site.Layer
	return s.readyPatches(ctx, min(mostReused, int(s.patches.file.Last().Width)))
}

// computePatches trains the neurons of a fact beside those that were kept.
func (e *Editor) computePatches(ctx context.Context, f fact.Fact, step func(done, most int)) (*Computed, error) {
	s, p := e.s, e.s.patches
	progress := s.cfg.Progress
	if step != nil {
		s.cfg.Progress = func(_ string, done, total int64) { step(int(done), int(total)) }
	}
	start := time.Now()
	t, err := s.trainFact(ctx, f)
	s.cfg.Progress = progress
	if err != nil {
		return nil, err
	}
	c := t.computed(time.Since(start).Seconds())
	c.Layer, c.Warnings = e.layer, firing(t.reports)
	had := len(p.added)
	if s.cfg.Patch.Slots == SlotsOld {
		if had+len(t.neurons) > len(p.old) {
			return nil, fault.Errorf(ErrRefused, "%d neurons are needed and %d of the last layer may be overwritten", had+len(t.neurons), len(p.old))
		}
		c.Neurons = slices.Concat(p.old[had:had+len(t.neurons)], t.neurons)
	}
	return c, nil
}

// computed is the edit that training came to.
func (t *trained) computed(seconds float64) *Computed {
	return &Computed{Rank: &Rank{Report: UpdateReport{Steps: t.steps}}, Seconds: seconds, Neurons: append([]ffn.Neuron{}, t.neurons...),
		Patches: t.reports, queries: t.queries, trained: len(t.neurons)}
}

// Apply makes the model compute as edited by these edits, and by no others:
// updates through an adapter, neurons beside those of the last feed-forward
// network. None restores it.
func Apply(m lm.Model, edits ...*Computed) error {
	var updates []lm.Update
	var neurons []ffn.Neuron
	for _, c := range edits {
		if c.Neurons == nil {
			updates = append(updates, c.Update)
		}
		neurons = append(neurons, c.Neurons...)
	}
	if err := m.Apply(updates); err != nil {
		return err
	}
	p, ok := m.(patch.Model)
	switch {
	case ok:
		return p.SetPatches(neurons)
	case len(neurons) > 0:
		return fault.Errorf(lm.ErrUnsupported, "architecture %s: this engine does not patch models", m.Info().Arch)
	}
	return nil
}
