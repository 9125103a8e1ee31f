package engine

import "retcon/llama"

const (
	batchTokens = 512 // most tokens of a decode
	batchRows   = 64  // most sequences of a decode
	outputRows  = 64  // most rows of logits of a decode
	cellStep    = 256 // contexts grow in steps of this many cells
	outputStep  = 32  // and those of objectives of this many rows of logits
)

// contextFor is the scratch context, empty, with room for so many cells.
func (m *Model) contextFor(cells int) (*llama.Context, error) {
	cells = (cells + cellStep - 1) / cellStep * cellStep
	if m.scratch != nil && m.scratch.Params().Cells >= cells {
		m.scratch.Clear()
		return m.scratch, nil
	}
	m.closeScratch()
	c, err := m.newContext(llama.ContextParams{
		Cells: max(cells, batchTokens), Batch: batchTokens, Outputs: outputRows, Sequences: batchRows,
	})
	if err != nil {
		return nil, err
	}
	m.scratch = c
	return c, nil
}

func (m *Model) closeScratch() {
	m.scratch.Close()
	m.scratch = nil
}

// newContext makes a context with the model's adapters at work.
func (m *Model) newContext(p llama.ContextParams) (*llama.Context, error) {
	p.Threads = m.opts.Threads
	c, err := m.model.NewContext(p)
	if err != nil {
		return nil, err
	}
	if err := m.setAdapters(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (m *Model) setAdapters(c *llama.Context) error {
	adapters := append([]*llama.Adapter(nil), m.loaded...)
	if m.applied != nil {
		adapters = append(adapters, m.applied)
	}
	scales := make([]float32, len(adapters))
	for i := range scales {
		scales[i] = 1
	}
	return c.SetAdapters(adapters, scales)
}
