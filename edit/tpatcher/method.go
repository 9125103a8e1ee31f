package tpatcher

import (
	"context"
	"slices"
	"time"

	"retcon/edit"
	"retcon/edit/contexts"
	"retcon/edit/corpus"
	"retcon/fact"
	"retcon/gguf/ffn"
	"retcon/internal/fault"
	"retcon/lm"
)

// Name is the method's name.
const Name = "tpatcher"

// Method is T-Patcher, an edit.Method. The zero value has the default
// configuration.
type Method struct {
	Config
	Seed uint64 // of all that is sampled
	// Texts, if not empty, are what training puts before the prompt, instead of
	// sampled prefixes.
	Texts []string
}

// Name is [Name].
func (Method) Name() string { return Name }

// Open refuses, before any training, a model that cannot be patched.
func (m Method) Open(ctx context.Context, b *edit.Base) (edit.Work, error) {
	if err := m.Config.Check(); err != nil {
		return nil, err
	}
	model, ok := b.Model.(lm.Widenable)
	switch {
	case !ok:
		return nil, fault.Errorf(lm.ErrUnsupported, "architecture %s: this engine does not patch models", b.Info.Arch)
	case b.Adapter:
		return nil, fault.Errorf(lm.ErrUnsupported, "an adapter cannot hold T-Patcher's neurons; try %s", fault.WriteModel)
	}
	w := &work{base: b, model: model, cfg: m.Config.orDefaults(), seed: m.Seed, prefixes: m.Texts}
	w.source = b.Source(w.seed)
	var err error
	if w.net, err = ffn.Read(b.File); err != nil {
		return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	if w.site, err = model.LastNetwork(ctx); err != nil {
		return nil, err
	}
	w.site.Round = w.roundRow
	if w.history, err = readHistory(b.File); err != nil {
		return nil, err
	}
	if w.cfg.Slots != SlotsOld {
		if _, err = w.strategy().Room(b.File, w.net, 1); err != nil {
			return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
		}
	}
	return w, nil
}

// work is T-Patcher on one model.
type work struct {
	base     *edit.Base
	model    lm.Widenable
	cfg      Config
	seed     uint64
	source   *corpus.Source
	prefixes []string

	site    lm.Network
	net     *ffn.Model
	history []patchedEdit // earlier patches in the file

	memory   *Memory
	key      string // of the memory: model and text
	reported *MemoryReport
	room     *RoomReport
	seconds  float64 // that the memory took

	kept  []*Neurons
	added int          // neurons of kept
	old   []ffn.Neuron // neurons that may be overwritten, negated: adding one takes it away
	order []int64      // their slots, the least useful first
}

// Neurons are what training on one fact made, the Change of an edit.Computed.
type Neurons struct {
	// All are the neurons to add. Where they overwrite neurons of the model,
	// those come first, negated.
	All     []ffn.Neuron
	trained int           // of All, the last ones
	reports []PatchReport // of each trained neuron
	queries []float32     // the fact's own, for the memory
}

// own are the neurons that were trained.
func (n *Neurons) own() []ffn.Neuron { return n.All[len(n.All)-n.trained:] }

// overwrite puts the first of these neurons, negated ones of the model, before
// those that were trained: as many.
func (n *Neurons) overwrite(old []ffn.Neuron) {
	n.All = slices.Concat(old[:min(n.trained, len(old))], n.own())
}

// mostReused is how many of the last layer's neurons may be overwritten where it
// is not known how many facts there will be.
const mostReused = 1024

// Ready makes the memory, and chooses the neurons that may be overwritten.
func (w *work) Ready(ctx context.Context, facts []fact.Fact) (err error) {
	if len(w.prefixes) == 0 {
		if w.prefixes, err = contexts.SamplePrefixes(ctx, w.base.Model, w.cfg.Prefixes, w.seed); err != nil {
			return err
		}
	}
	start := time.Now()
	err = w.fillMemory(ctx)
	w.seconds = time.Since(start).Seconds()
	if err != nil || w.cfg.Slots != SlotsOld {
		return err
	}
	most := min(mostReused, int(w.net.Last().Width))
	if len(facts) > 0 {
		if most, err = w.mostNeurons(facts); err != nil {
			return err
		}
	}
	return w.chooseSlots(ctx, most)
}

// mostNeurons is the number of target tokens of all facts, and an end each.
func (w *work) mostNeurons(facts []fact.Fact) (int, error) {
	n := 0
	for _, f := range facts {
		span, err := fact.Tokenize(w.base.Model, f, "", f.New)
		if err != nil {
			return 0, err
		}
		n += len(span.Target) + 1
	}
	return n, nil
}

// roundRow gives a key's row as the file's own type holds it.
func (w *work) roundRow(row []float32) ([]float32, error) {
	name := w.net.Last().Gate
	if name == "" {
		name = w.net.Last().Up
	}
	t, _ := w.base.File.Tensor(name)
	size, err := t.Type.RowBytes(int64(len(row)))
	if err != nil || w.base.Quantizer.NeedsImportance(t.Type) {
		return row, err
	}
	b, out := make([]byte, size), make([]float32, len(row))
	if err := w.base.Quantizer.Quantize(b, t.Type, row, len(row), nil); err != nil {
		return nil, err
	}
	return out, w.base.Quantizer.Dequantize(out, t.Type, b)
}

// strategy is how room is made.
func (w *work) strategy() ffn.Strategy {
	c := w.cfg
	widen := ffn.Widen{Free: freeSlots(w.history), Pad: c.Pad}
	switch {
	case c.Slots == SlotsOld:
		return ffn.Reuse{Order: w.order}
	case c.Widen == WidenDeci:
		return ffn.Deci{Widen: widen}
	}
	return widen
}

// Close has nothing to free.
func (w *work) Close() error { return nil }
