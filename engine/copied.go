package engine

import (
	"context"

	"retcon/llama"
	"retcon/replay"
)

// copiedContext is a context with copies of weights in it.
type copiedContext struct {
	c      *llama.Context
	copies *replay.Copies

	purpose purpose
	outline *replay.Outline // for the purpose
	shared  [][]int32       // tokens that the cache has of each sequence; nil: empty it
}

// purpose is what an objective's numbers depend on besides its rows, in their
// last bits at least: the updates at work, and what decides of which weights
// there are copies.
type purpose struct {
	applied *llama.Adapter
	layer   int
	sizes   llama.ContextParams // that are needed, not those that the context has
}

// copiedContext is a context of at least these sizes, the kept one, with what
// is in its cache, if it will do.
func (m *Model) copiedContext(p llama.ContextParams) (*copiedContext, error) {
	if k := m.kept; k != nil {
		m.kept = nil
		has := k.c.Params()
		if has.Cells >= p.Cells && has.Batch >= p.Batch && has.Outputs >= p.Outputs && has.Sequences >= p.Sequences {
			if err := m.setAdapters(k.c); err != nil {
				k.close()
				return nil, err
			}
			return k, nil
		}
		k.close()
	}
	c, err := m.newContext(p)
	if err != nil {
		return nil, err
	}
	return &copiedContext{c: c, copies: replay.NewCopies(c, replay.ThisProcessor().Steps(), 0)}, nil
}

func (k *copiedContext) close() error {
	k.copies.Drop()
	return k.c.Close()
}

func (m *Model) closeKept() {
	if m.kept != nil {
		m.kept.close()
		m.kept = nil
	}
}

// outlineFor is the outline for a purpose. Behind it the cache is empty and no
// weight but transposed ones is copied, unless the purpose was the same before.
func (k *copiedContext) outlineFor(ctx context.Context, p purpose) (o *replay.Outline, err error) {
	if k.outline != nil && k.purpose == p {
		return k.outline, nil
	}
	k.c.Clear()
	k.outline, k.shared = nil, nil
	if o, err = replay.NewOutline(ctx, k.c, p.layer, p.sizes); err != nil {
		return nil, err
	}
	k.copies.StartSlice(o.Slice)
	k.outline, k.purpose = o, p
	return o, nil
}

// share divides the memory: what was asked for, less what the process and the
// context take, is for values, gradients and copies of weights. A kept context may be larger
// than this objective needs, and hold more copies; but what is copied, and so the
// last bits of an edit, must not depend on the edits before: copies are those of
// the first weights that fit, and the last ones go.
func (m *Model) share(ctx context.Context, o *objective, layer int) error {
	outline, err := o.outlineFor(ctx, purpose{m.applied, layer, o.sizes})
	if err != nil {
		return err
	}
	o.memory = max(replay.Memory{Asked: m.opts.Memory, Process: replay.ProcessBytes(m.info.Vocab), Context: outline.ContextBytes}.Free(), m.opts.Memory/4)
	return o.copies.Reserve(ctx, outline.Slice, o.memory/5*4)
}
