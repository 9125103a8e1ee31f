package engine

import (
	"context"
	"fmt"
	"runtime/debug"

	"retcon/edit"
	"retcon/graph"
	"retcon/llama"
	"retcon/replay"
)

// TransposePolicy says how an objective keeps the transposes of weights.
type TransposePolicy int

// The policies.
const (
	// TransposeAuto keeps them in the fastest type that fits the memory.
	TransposeAuto TransposePolicy = iota
	// TransposeExact keeps them in F32 if that fits.
	TransposeExact
	// TransposeNever transposes on the way, a block at a time.
	TransposeNever
)

// Objective prepares the loss of a value. The rows' tokens before the edited
// position are decoded once and stay in the cache; only the rest is computed
// in a step.
func (m *Model) Objective(ctx context.Context, layer int, rows []edit.ObjectiveRow) (edit.Objective, error) {
	if err := m.checkLayer(layer); err != nil {
		return nil, err
	}
	if err := checkRows(m.info, rows); err != nil {
		return nil, err
	}
	// the scratch context's cache and buffers are made again when next needed
	m.closeScratch()
	for groups := 1; ; groups *= 2 {
		groups = min(groups, len(rows))
		o, err := m.objective(ctx, layer, rows, groups)
		if err != nil {
			return nil, err
		}
		if o.bytes() <= o.memory || groups == len(rows) {
			// what Go held meanwhile is as large as what the programs will touch
			debug.FreeOSMemory()
			return o, nil
		}
		o.Close()
	}
}

func checkRows(info edit.Info, rows []edit.ObjectiveRow) error {
	if len(rows) == 0 || len(rows) > llama.MaxSequences {
		return fmt.Errorf("%w: an objective of %d rows", llama.ErrInvalid, len(rows))
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
		if r.KLWeight != 0 && (r.KeepAt < r.At || r.KeepAt >= len(r.Tokens)) {
			return fmt.Errorf("%w: row %d keeps position %d", llama.ErrInvalid, i, r.KeepAt)
		}
	}
	return nil
}

// objective is the loss over groups of rows that share one context.
type objective struct {
	c         *llama.Context
	groups    []*replay.Value
	rows      [][]edit.ObjectiveRow
	transpose *replay.Transposed
	memory    int64 // for values, gradients and transposes
	width     int
}

func (m *Model) objective(ctx context.Context, layer int, rows []edit.ObjectiveRow, groups int) (*objective, error) {
	cells, batch, outputs, longest := 0, 0, 0, 0
	for _, r := range rows {
		longest = max(longest, len(r.Tokens)-r.At) // rows are decoded at one length
	}
	for _, r := range rows {
		cells += r.At + longest
	}
	o := &objective{width: m.info.Width}
	for g := range groups {
		part := rows[g*len(rows)/groups : (g+1)*len(rows)/groups]
		batch, outputs = max(batch, len(part)*longest), max(outputs, readRows(part))
		o.rows = append(o.rows, part)
	}
	var err error
	o.c, err = m.newContext(llama.ContextParams{
		Cells: (cells + cellStep - 1) / cellStep * cellStep, Batch: max(batch, prefixTokens), Outputs: outputs, Sequences: len(rows),
	})
	if err != nil {
		return nil, err
	}
	if err := m.fillObjective(ctx, o, layer); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// prefixTokens is the least batch in which an objective's prefixes are decoded.
const prefixTokens = 128

// readRows is the most rows of logits that rows have read: their targets', the
// one to stay, and in the last layer the edited one.
func readRows(rows []edit.ObjectiveRow) int {
	n := 0
	for _, r := range rows {
		n += len(r.Targets) + 1
		if r.KLWeight != 0 {
			n++
		}
	}
	return n
}

// baseBytes is what a process takes with a model loaded and nothing else done:
// its vocabulary, tables, Go's heap.
const baseBytes = 96 << 20

// left is the memory for values, gradients and transposes: what was asked for
// less what the process and the context take, and a quarter of it at least.
func (m *Model) left(v *replay.Value) (int64, error) {
	n, err := v.ContextBytes()
	return max(m.opts.Memory-baseBytes-n, m.opts.Memory/4), err
}

// fillObjective decodes the prefixes of all rows, then prepares each group.
func (m *Model) fillObjective(ctx context.Context, o *objective, layer int) error {
	d := decoder{c: o.c}
	seq := 0
	for _, part := range o.rows {
		for _, r := range part {
			for pos, t := range r.Tokens[:r.At] {
				if err := d.add(ctx, t, pos, seq, nil); err != nil {
					return err
				}
			}
			seq++
		}
	}
	if err := d.flush(ctx); err != nil {
		return err
	}
	first := 0
	for _, part := range o.rows {
		spec := replay.ValueSpec{Layer: layer, Rows: valueRows(part, first)}
		v, err := replay.NewValue(ctx, o.c, spec)
		if err != nil {
			return err
		}
		o.groups = append(o.groups, v)
		if o.memory == 0 {
			if o.memory, err = m.left(v); err != nil {
				return err
			}
			if o.transpose, err = m.transposes(ctx, o, v); err != nil {
				return err
			}
		}
		if err := v.Build(ctx, o.transpose, max(1, o.memory-o.transpose.Bytes())); err != nil {
			return err
		}
		first += len(part)
	}
	return nil
}

// transposes keeps the weights' transposes as the policy says, if at least a
// quarter of the memory is left for values.
func (m *Model) transposes(ctx context.Context, o *objective, v *replay.Value) (*replay.Transposed, error) {
	if m.opts.Transpose == TransposeNever {
		return nil, nil
	}
	for _, t := range m.transposeTypes() {
		if replay.TransposeBytes(v.Slice(), t) <= o.memory/4*3 {
			return replay.Transpose(ctx, o.c, v.Slice(), t)
		}
	}
	return nil, nil
}

// transposeTypes are the types to keep transposes in, best first.
func (m *Model) transposeTypes() []graph.Type {
	if m.opts.Transpose != TransposeAuto {
		return []graph.Type{graph.F32}
	}
	if t, ok := replay.FastType(); ok {
		return []graph.Type{t}
	}
	return []graph.Type{graph.F32, graph.BF16}
}

// valueRows gives a group's suffixes their sequences.
func valueRows(rows []edit.ObjectiveRow, first int) []replay.ValueRow {
	var out []replay.ValueRow
	for i, r := range rows {
		v := replay.ValueRow{
			Sequence: first + i, Position: r.At, Tokens: r.Tokens[r.At:],
			KeepAt: r.KeepAt - r.At, KLWeight: r.KLWeight,
		}
		for _, t := range r.Targets {
			v.Targets = append(v.Targets, replay.Target{At: t.At - r.At, Token: t.Token})
		}
		if len(r.Targets) > 0 {
			v.TargetWeight = r.NLLWeight / float64(len(r.Targets))
		}
		out = append(out, v)
	}
	return out
}

// Step computes the loss and its gradient, groups one after the other.
func (o *objective) Step(ctx context.Context, delta, grad []float32) (edit.Loss, error) {
	if len(delta) != o.width || len(grad) != o.width {
		return edit.Loss{}, fmt.Errorf("%w: a delta of %d and a gradient of %d for a width of %d", llama.ErrInvalid, len(delta), len(grad), o.width)
	}
	clear(grad)
	var loss edit.Loss
	for i, g := range o.groups {
		nll, kl, err := g.Step(ctx, delta, grad)
		if err != nil {
			return edit.Loss{}, err
		}
		for j, r := range o.rows[i] {
			loss.Total += r.NLLWeight*nll[j] + r.KLWeight*kl[j]
		}
		loss.NLL, loss.KL = append(loss.NLL, nll...), append(loss.KL, kl...)
	}
	return loss, nil
}

// bytes is the memory for values, gradients and transposes.
func (o *objective) bytes() int64 {
	n := o.transpose.Bytes()
	compute := int64(0)
	for _, g := range o.groups {
		held, buffer := g.Bytes()
		n += held
		compute = max(compute, buffer)
	}
	return n + compute
}

// Close frees the objective and its context.
func (o *objective) Close() error {
	for _, g := range o.groups {
		g.Close()
	}
	o.groups = nil
	o.transpose.Close()
	return o.c.Close()
}
