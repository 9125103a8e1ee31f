package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"retcon/llama"
	"retcon/lm"
	"retcon/replay"
)

// Objective prepares the loss of a value. The rows' tokens before the edited
// position are decoded once and stay in the cache; only the rest is computed
// in a step. Where a whole batch does not fit the memory, its rows are computed
// in parts.
func (m *Model) Objective(ctx context.Context, layer int, rows []lm.ObjectiveRow, batches []lm.Batch) (lm.Objective, error) {
	if err := m.checkLayer(layer); err != nil {
		return nil, err
	}
	if err := checkRows(m.info, rows, batches); err != nil {
		return nil, err
	}
	// the scratch context's cache and buffers are made again when next needed
	m.closeScratch()
	largest := 0
	for _, b := range batches {
		largest = max(largest, len(b.Rows))
	}
	for parts := 1; ; parts *= 2 {
		parts = min(parts, largest)
		o, err := m.objective(ctx, layer, rows, batches, parts)
		if err != nil {
			return nil, err
		}
		if o.bytes() <= o.memory || parts == largest {
			// what Go held meanwhile is as large as what the programs will touch
			debug.FreeOSMemory()
			return o, nil
		}
		o.Close()
	}
}

func checkRows(info lm.Info, rows []lm.ObjectiveRow, batches []lm.Batch) error {
	if len(rows) == 0 || len(rows) > llama.MaxSequences {
		return fmt.Errorf("%w: an objective of %d rows", llama.ErrInvalid, len(rows))
	}
	for i, b := range batches {
		if len(b.Rows) == 0 || len(b.Scale) != len(b.Rows) || slices.Min(b.Rows) < 0 || slices.Max(b.Rows) >= len(rows) {
			return fmt.Errorf("%w: batch %d names rows %v of %d", llama.ErrInvalid, i, b.Rows, len(rows))
		}
	}
	if len(batches) == 0 {
		return fmt.Errorf("%w: an objective of no batch", llama.ErrInvalid)
	}
	for i, r := range rows {
		if r.At < 0 || r.At >= len(r.Tokens) {
			return fmt.Errorf("%w: position %d of row %d of %d tokens", llama.ErrInvalid, r.At, i, len(r.Tokens))
		}
		for _, t := range r.Targets {
			if t.At < r.At || t.At >= len(r.Tokens) || t.Token < 0 || int(t.Token) >= info.Vocab {
				return fmt.Errorf("%w: row %d wants token %d after position %d", llama.ErrInvalid, i, t.Token, t.At)
			}
		}
		if r.Shared < 0 || r.Shared > r.At {
			return fmt.Errorf("%w: row %d shares %d tokens and is edited at %d", llama.ErrInvalid, i, r.Shared, r.At)
		}
		if r.Edit < 0 || r.Edit >= len(rows) {
			return fmt.Errorf("%w: row %d is of edit %d", llama.ErrInvalid, i, r.Edit)
		}
		if r.KLWeight != 0 && (r.KeepAt < r.At || r.KeepAt >= len(r.Tokens)) {
			return fmt.Errorf("%w: row %d keeps position %d", llama.ErrInvalid, i, r.KeepAt)
		}
	}
	return nil
}

var _ lm.Keyed = (*objective)(nil)

// objective is a loss whose batches are computed in parts, one after the other,
// in one context.
type objective struct {
	m *Model
	*copiedContext
	values []*replay.Value
	// parts says for each batch which values' batches make it up.
	parts  [][]objectivePart
	sizes  llama.ContextParams // of the context that it needs
	memory int64               // for values, gradients and copies of weights
	size   int                 // of the deltas
	keyed  []bool              // the rows that ask for their keys
}

// objectivePart is a batch of a value.
type objectivePart struct {
	value *replay.Value
	batch int
}

func (m *Model) objective(ctx context.Context, layer int, rows []lm.ObjectiveRow, batches []lm.Batch, parts int) (*objective, error) {
	cells, most, longest, outputs := 0, 0, 0, 0
	for _, r := range rows {
		longest = max(longest, len(r.Tokens)-r.At) // rows are decoded at one length
		cells += r.At
	}
	for _, b := range batches {
		most = max(most, len(b.Rows)*longest)
		n := 0
		for _, r := range b.Rows {
			n += len(rows[r].Targets) + 2 // what is to stay, and the edited position
		}
		outputs = max(outputs, n)
	}
	o := &objective{m: m}
	for _, r := range rows {
		o.keyed = append(o.keyed, r.Key)
		o.size = max(o.size, (r.Edit+1)*m.info.Width)
	}
	o.sizes = llama.ContextParams{
		Cells: (cells + most + cellStep - 1) / cellStep * cellStep, Batch: max(most, prefillTokens),
		Outputs: min((outputs+outputStep-1)/outputStep*outputStep, max(most, prefillTokens)), Sequences: len(rows),
	}
	var err error
	if o.copiedContext, err = m.copiedContext(o.sizes); err != nil {
		return nil, err
	}
	if err := m.fillObjective(ctx, o, layer, rows, batches, parts); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// fillObjective decodes what precedes all rows, then prepares each part.
func (m *Model) fillObjective(ctx context.Context, o *objective, layer int, rows []lm.ObjectiveRow, batches []lm.Batch, parts int) error {
	if err := m.share(ctx, o, layer); err != nil {
		return err
	}
	if err := o.prefill(ctx, rows, m.opts.KeepCopies); err != nil {
		return err
	}
	o.parts = make([][]objectivePart, len(batches))
	for p := range parts {
		part := make([][]replay.ValueRow, len(batches))
		for i, b := range batches {
			part[i] = valueRows(rows, b, p*len(b.Rows)/parts, (p+1)*len(b.Rows)/parts)
		}
		if err := o.addValues(ctx, replay.ValueSpec{Layer: layer, Batches: part, Copies: o.copies}, 0); err != nil {
			return err
		}
	}
	o.c.TrimPrograms() // prefixes may have needed more than steps do
	o.copies.DropAside()
	return o.build(ctx)
}

// addValues prepares batches as one value for all of them, or, where their
// shapes differ, as one for each. first is the index of the first batch.
func (o *objective) addValues(ctx context.Context, spec replay.ValueSpec, first int) error {
	v, err := replay.NewValue(ctx, o.c, spec)
	if errors.Is(err, replay.ErrUneven) && len(spec.Batches) > 1 {
		for i := range spec.Batches {
			one := spec
			one.Batches = spec.Batches[i : i+1]
			if err := o.addValues(ctx, one, first+i); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	o.values = append(o.values, v)
	for i := range spec.Batches {
		o.parts[first+i] = append(o.parts[first+i], objectivePart{v, i})
	}
	return nil
}

// build makes the values' programs.
func (o *objective) build(ctx context.Context) error {
	if len(o.values) == 1 {
		return o.spend(ctx, o.values[0])
	}
	o.copies.KeepReverse() // others are another objective's, or the prefixes'
	for _, v := range o.values {
		transposes, err := o.copies.Transposes(ctx, v.Slice())
		if err != nil {
			return err
		}
		if err := v.Build(ctx, transposes, max(1, o.memory-o.copies.Bytes())); err != nil {
			return err
		}
	}
	return nil
}

// spend builds the programs of a value that serves all batches by itself, first
// as if there were no copies but transposes, which tells what its own values
// take. Copies get what is left, or have to go.
func (o *objective) spend(ctx context.Context, v *replay.Value) error {
	transposes, err := o.copies.Transposes(ctx, v.Slice())
	if err != nil {
		return err
	}
	o.copies.Freeze()
	alone := max(1, o.memory-o.copies.TransposedBytes())
	if err := v.Build(ctx, transposes, alone); err != nil {
		return err
	}
	if v.Segments() > 1 {
		if !o.copies.KeepReverse() {
			return nil
		}
		return v.Build(ctx, transposes, alone)
	}
	held, compute := v.Bytes()
	o.copies.Fit(o.memory - held - compute)
	return v.Build(ctx, transposes, max(1, o.memory-o.copies.Bytes()))
}

// valueRows are rows [begin, end) of a batch as sequences of the cache.
func valueRows(rows []lm.ObjectiveRow, b lm.Batch, begin, end int) []replay.ValueRow {
	var out []replay.ValueRow
	for i := begin; i < end; i++ {
		r := rows[b.Rows[i]]
		v := replay.ValueRow{
			Sequence: b.Rows[i], Position: r.At, Tokens: r.Tokens[r.At:],
			KeepAt: r.KeepAt - r.At, KLWeight: b.Scale[i] * r.KLWeight, Edit: r.Edit, Key: r.Key,
		}
		for _, t := range r.Targets {
			v.Targets = append(v.Targets, replay.Target{At: t.At - r.At, Token: t.Token})
		}
		if len(r.Targets) > 0 {
			v.TargetWeight = b.Scale[i] * r.NLLWeight / float64(len(r.Targets))
		}
		out = append(out, v)
	}
	return out
}

// Step computes a batch's loss and its gradient, part by part.
func (o *objective) Step(ctx context.Context, batch int, delta, grad []float32) (lm.Loss, error) {
	if len(delta) != o.size || len(grad) != o.size || batch < 0 || batch >= len(o.parts) {
		return lm.Loss{}, fmt.Errorf("%w: batch %d of %d, deltas of %d and gradients of %d numbers, not %d", llama.ErrInvalid, batch, len(o.parts), len(delta), len(grad), o.size)
	}
	clear(grad)
	var loss lm.Loss
	for _, p := range o.parts[batch] {
		nll, kl, err := p.value.Step(ctx, p.batch, delta, grad)
		if err != nil {
			return lm.Loss{}, err
		}
		loss.NLL, loss.KL = append(loss.NLL, nll...), append(loss.KL, kl...)
	}
	return loss, nil
}

// Keys gives those of the rows that ask for them, nil for others, if the values
// know them.
func (o *objective) Keys() (keys, values [][]float32, ok bool) {
	keys, values = make([][]float32, len(o.keyed)), make([][]float32, len(o.keyed))
	for _, v := range o.values {
		k, w := v.Keys()
		for row, key := range k {
			keys[row], values[row] = key, slices.Clone(w[row])
		}
	}
	for row, asked := range o.keyed {
		if asked && keys[row] == nil {
			return nil, nil, false
		}
	}
	return keys, values, true
}

// bytes is the memory for values, gradients and transposes.
func (o *objective) bytes() int64 {
	n := o.copies.Bytes()
	compute := int64(0)
	for _, v := range o.values {
		held, buffer := v.Bytes()
		n += held
		compute = max(compute, buffer)
	}
	return n + compute
}

// Close frees the objective and its context.
func (o *objective) Close() error {
	for _, v := range o.values {
		v.Close()
	}
	o.values, o.parts = nil, nil
	if o.copiedContext == nil {
		return nil
	}
	c := o.copiedContext
	o.copiedContext = nil
	if o.m.opts.KeepCopies && o.m.kept == nil {
		o.m.kept = c
		return nil
	}
	return c.close()
}
