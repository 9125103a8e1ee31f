package engine

import (
	"retcon/graph"
	"retcon/llama"
	"retcon/replay"
)

// copiedContext is a context with copies of weights in it.
type copiedContext struct {
	c      *llama.Context
	copies *replay.Copies
}

// copiedContext is an empty context of at least these sizes, the kept one if
// it will do.
func (m *Model) copiedContext(p llama.ContextParams) (*copiedContext, error) {
	if k := m.kept; k != nil {
		m.kept = nil
		has := k.c.Params()
		if has.Cells >= p.Cells && has.Batch >= p.Batch && has.Outputs >= p.Outputs && has.Sequences >= p.Sequences {
			k.c.Clear()
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
	return &copiedContext{c, m.copies(c)}, nil
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

// copies is room for transposes of weights, and for copies of quantised ones in
// the machine's fastest type, as the policy says.
func (m *Model) copies(c *llama.Context) *replay.Copies {
	fast, worth := replay.FastType()
	switch m.opts.Transpose {
	case TransposeNever:
		return nil
	case TransposeExact:
		return replay.NewTransposes(c, graph.F32, m.opts.Memory/2)
	}
	if !worth {
		return replay.NewTransposes(c, fast, m.opts.Memory/2)
	}
	return replay.NewCopies(c, fast, m.opts.Memory*copiesShare/100)
}

// copiesShare is the part of the memory, in percent, that copies may take.
const copiesShare = 85
