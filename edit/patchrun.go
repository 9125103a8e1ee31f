package edit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"retcon/edit/contexts"
	"retcon/edit/patch"
	ffn "retcon/gguf/widen"
	"retcon/internal/fault"
	"retcon/lm"
)

// patchSession is what a run of T-Patcher keeps besides.
type patchSession struct {
	model   patch.Model
	site    patch.Site
	file    *ffn.Model
	memory  *patch.Memory
	key     string        // of the memory: model and text
	added   []ownedNeuron // by this run
	old     []ffn.Neuron  // neurons that may be overwritten, negated: adding one takes it away
	order   []int64       // their slots, the least useful first
	history []patchedEdit // earlier patches in the file
}

// ownedNeuron is a neuron with the request of this run that it belongs to.
type ownedNeuron struct {
	ffn.Neuron
	edit *Edit
}

// PatchReport is one neuron of an edit.
type PatchReport struct {
	Token string `json:"token"` // that it makes the model say
	patch.Report
	Slot int64 `json:"slot"` // among the last layer's neurons, once written
}

// MemoryReport says what patches leave alone.
type MemoryReport struct {
	Source  string  `json:"source"` // "corpus" or "sampled"
	Cached  bool    `json:"cached"`
	Queries int     `json:"queries"`
	Held    int     `json:"held_out"`
	Form    string  `json:"memory_loss"`
	Bias    bool    `json:"bias"` // neurons have a bias of their own
	Spread  float64 `json:"constant_deviation"`
	Earlier int     `json:"earlier_facts"` // patched into the file before
}

// patch edits all requests by T-Patcher.
func (s *session) patch(ctx context.Context) error {
	if err := s.openPatches(ctx); err != nil {
		return err
	}
	if err := s.ask(ctx); err != nil {
		return err
	}
	need, err := s.mostNeurons()
	if err != nil {
		return err
	}
	if err := s.readyPatches(ctx, need); err != nil {
		return err
	}
	j, parts, err := s.openJournal()
	if err != nil {
		return err
	}
	defer j.Close()
	if err := s.patchAll(func(e *Edit) (*Computed, error) { return s.patchOne(ctx, e) }, j, parts); err != nil {
		return err
	}
	if len(s.edits) == 0 {
		return fault.Errorf(ErrRefused, "none of the %d requests could be carried out", len(s.res.Edits))
	}
	if err := s.concludePatches(ctx); err != nil {
		return err
	}
	return j.Remove()
}

// readyPatches makes all that training needs, for so many neurons at most.
func (s *session) readyPatches(ctx context.Context, most int) (err error) {
	if s.prefixes = s.cfg.HParams.Prefixes; len(s.prefixes) == 0 {
		if s.prefixes, err = contexts.SamplePrefixes(ctx, s.model, s.cfg.Patch.Prefixes, s.cfg.HParams.Seed); err != nil {
			return err
		}
	}
	start := time.Now()
	err = s.fillMemory(ctx)
	s.res.StatsSeconds = time.Since(start).Seconds()
	if err == nil && s.cfg.Patch.Slots == SlotsOld {
		err = s.chooseSlots(ctx, most)
	}
	return err
}

// openPatches refuses, before any training, a model that cannot be patched.
func (s *session) openPatches(ctx context.Context) error {
	m, ok := s.model.(patch.Model)
	if !ok {
		return fault.Errorf(lm.ErrUnsupported, "architecture %s: this engine does not patch models", s.info.Arch)
	}
	if s.cfg.LoRA != "" {
		return fault.Errorf(lm.ErrUnsupported, "an adapter cannot hold T-Patcher's neurons: write a model with -o")
	}
	s.patches = &patchSession{model: m}
	p := s.patches
	var err error
	if p.file, err = ffn.Read(s.file); err != nil {
		return fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	if p.site, err = m.PatchSite(ctx); err != nil {
		return err
	}
	p.site.Round = s.roundRow
	if p.history, err = patchHistory(s.file); err != nil {
		return err
	}
	if s.cfg.Patch.Slots != SlotsOld {
		if _, err = s.strategy().Room(s.file, p.file, 1); err != nil {
			return fault.Errorf(lm.ErrUnsupported, "%w", err)
		}
	}
	s.res.Layer, s.res.LayerFrom = p.site.Layer, "last"
	return nil
}

// roundRow gives a key's row as the file's own type holds it.
func (s *session) roundRow(row []float32) ([]float32, error) {
	name := s.patches.file.Last().Gate
	if name == "" {
		name = s.patches.file.Last().Up
	}
	t, _ := s.file.Tensor(name)
	size, err := t.Type.RowBytes(int64(len(row)))
	if err != nil || s.cfg.Quantizer.NeedsImportance(t.Type) {
		return row, err
	}
	b, out := make([]byte, size), make([]float32, len(row))
	if err := s.cfg.Quantizer.Quantize(b, t.Type, row, len(row), nil); err != nil {
		return nil, err
	}
	return out, s.cfg.Quantizer.Dequantize(out, t.Type, b)
}

// strategy is how room is made.
func (s *session) strategy() ffn.Strategy {
	c := s.cfg.Patch
	w := ffn.Widen{Free: freeSlots(s.patches.history), Pad: c.Pad}
	switch {
	case c.Slots == SlotsOld:
		return ffn.Reuse{Order: s.patches.order}
	case c.Widen == WidenDeci:
		return ffn.Deci{Widen: w}
	}
	return w
}

// patchOne trains the neurons of one request, on the model as edited so far.
func (s *session) patchOne(ctx context.Context, e *Edit) (*Computed, error) {
	start := time.Now()
	t, err := s.trainFact(ctx, e.fact)
	s.res.Seconds += time.Since(start).Seconds()
	if err != nil {
		return nil, err
	}
	c := t.computed(time.Since(start).Seconds())
	p := s.patches
	added, before := len(p.added), p.memory.Mark()
	s.take(e, c)
	if err := s.tryPatches(ctx, e); err != nil {
		p.added, e.Patches = p.added[:added], nil
		p.memory.Forget(before)
		return nil, err
	}
	s.edits = append(s.edits, e)
	return c, nil
}

// take counts a fact's neurons among those that are there, and lets its queries
// join the memory.
func (s *session) take(e *Edit, c *Computed) {
	for _, n := range c.Neurons[len(c.Neurons)-c.trained:] {
		s.patches.added = append(s.patches.added, ownedNeuron{n, e})
	}
	s.patches.memory.Join(c.queries)
	if e != nil {
		e.Patches, e.Update.Steps = c.Patches, c.Report.Steps
	}
}

// replaced are the neurons that so many new ones overwrite, taken away: none
// where there is room for new ones.
func (p *patchSession) replaced(n int) []ffn.Neuron { return p.old[:min(n, len(p.old))] }

// neurons are all that are at work beside the file's own.
func (p *patchSession) neurons() []ffn.Neuron {
	out := slices.Clone(p.replaced(len(p.added)))
	for _, n := range p.added {
		out = append(out, n.Neuron)
	}
	return out
}

// tryPatches asks the fact of the model in memory.
func (s *session) tryPatches(ctx context.Context, e *Edit) error {
	if err := s.patches.model.SetPatches(s.patches.neurons()); err != nil {
		return err
	}
	var err error
	if e.alone, err = e.probe.run(ctx, s.model); err != nil {
		return err
	}
	e.After = e.alone
	s.warnFiring(e)
	return s.refuse(e, judgeOutcome(e.fact, e.Before, e.alone))
}

// warnFiring warns of neurons that fire where they should not.
func (s *session) warnFiring(e *Edit) {
	for _, w := range firing(e.Patches) {
		s.cfg.warn("%s%s", s.about(e), w)
	}
}

// firing describes neurons that fire for held-out text.
func firing(reports []PatchReport) (warnings []string) {
	for _, r := range reports {
		if r.HeldMax > 0 {
			warnings = append(warnings, fmt.Sprintf("the neuron for %q fires for %.2g %% of held-out text", r.Token, 100*r.Firing))
		}
	}
	return warnings
}

// concludePatches is conclude for patches.
func (s *session) concludePatches(ctx context.Context) error {
	p := s.patches
	without := func() error { return p.model.SetPatches(nil) }
	with := func() error { return p.model.SetPatches(p.neurons()) }
	if err := s.confirm(ctx, without, with); err != nil || s.cfg.Output == "" {
		return err
	}
	return s.timeWrite(ctx, s.writePatches)
}
