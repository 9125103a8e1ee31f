package engine

import (
	"context"
	"math"

	"retcon/gguf/ffn"
	"retcon/llama"
)

// SetNeurons makes decodes compute with neurons beside those of the last
// feed-forward network. An adapter cannot hold them, so a batch in which one
// responds is decoded twice: once to read the queries, and again with what the
// neurons give for them added to the network's output.
func (m *Model) SetNeurons(neurons []ffn.Neuron) error {
	if len(neurons) == 0 {
		if m.network != nil {
			m.network.neurons = nil
		}
		return nil
	}
	if _, err := m.LastNetwork(context.Background()); err != nil {
		return err
	}
	m.network.neurons = neurons
	return nil
}

// negligible is a response, in parts of a neuron's own unit, that float32 loses
// beside the output that it is added to.
const negligible = 1e-8

// decode decodes a batch with the neurons that are set.
func (m *Model) decode(ctx context.Context, c *llama.Context, b *llama.Batch) error {
	if m == nil || m.network == nil || len(m.network.neurons) == 0 {
		return c.Decode(ctx, b)
	}
	p := m.network
	var rows []int32
	n := 0
	for i, want := range b.Logits {
		if want && p.pruned {
			rows = append(rows, int32(n))
			n++
		} else if want {
			rows = append(rows, int32(i))
		}
	}
	if len(rows) == 0 {
		return c.Decode(ctx, b) // nothing reads the last layer
	}
	width := p.site.Width
	query := llama.Hook{Place: p.query, Width: width, Rows: rows, Data: make([]float32, len(rows)*width)}
	if err := c.DecodeHooked(ctx, b, []llama.Hook{query}); err != nil {
		return err
	}
	add := llama.Hook{Place: p.ffn, Action: llama.Add, Width: width}
	for i, row := range rows {
		if out := p.output(query.Data[i*width:][:width]); out != nil {
			add.Rows = append(add.Rows, row)
			add.Data = append(add.Data, out...)
		}
	}
	if len(add.Rows) == 0 {
		return nil
	}
	if err := forget(c, b); err != nil {
		return err
	}
	return c.DecodeHooked(ctx, b, []llama.Hook{add})
}

// output is what the neurons add for a query, nil for nothing.
func (p *networkState) output(q []float32) []float32 {
	var out []float32
	for i := range p.neurons {
		n := &p.neurons[i]
		h := p.site.Response(*n, q)
		if math.Abs(h) < negligible {
			continue
		}
		if out == nil {
			out = make([]float32, len(q))
		}
		for j, v := range n.Down {
			out[j] += float32(h) * v
		}
	}
	return out
}

// forget removes a batch's tokens from the cache, so that it can be decoded
// again.
func forget(c *llama.Context, b *llama.Batch) error {
	first := map[int32]int32{}
	see := func(seq, pos int32) {
		if p, ok := first[seq]; !ok || pos < p {
			first[seq] = pos
		}
	}
	for i, seq := range b.Sequences {
		see(seq, b.Positions[i])
		if i < len(b.Shared) {
			for _, other := range b.Shared[i] {
				see(other, b.Positions[i])
			}
		}
	}
	for seq, p := range first {
		if err := c.Remove(int(seq), int(p), -1); err != nil {
			return err
		}
	}
	return nil
}
