package engine

import (
	"context"

	"retcon/llama"
	"retcon/replay"
)

// places names the sites of every decode, as long as the adapters stay.
type places struct {
	key, ffn []llama.Place
}

// findPlaces decodes a token and finds the sites in its graph. A model that
// cannot be edited is refused here, by name.
func (m *Model) findPlaces(ctx context.Context) error {
	m.places = nil
	c, err := m.contextFor(batchTokens)
	if err != nil {
		return err
	}
	var b llama.Batch
	b.Add(0, 0, 0, true)
	// A graph that llama.cpp cannot build ends a sketch in an error, and a decode in
	// the end of the process.
	rec, err := c.Sketch(ctx, &b)
	if err != nil {
		return err
	}
	if err := checkKernels(rec.Graph); err != nil {
		return err
	}
	c.Clear()
	d, err := replay.Record(ctx, c, b)
	if err != nil {
		return err
	}
	p := &places{}
	m.info.FeedForward = make([]int, len(d.Sites.Layers))
	for i, l := range d.Sites.Layers {
		key, err := llama.PlaceOf(d.Graph, l.Key)
		if err != nil {
			return err
		}
		ffn, err := llama.PlaceOf(d.Graph, l.FFN)
		if err != nil {
			return err
		}
		p.key, p.ffn = append(p.key, key), append(p.ffn, ffn)
		m.info.FeedForward[i] = int(d.Graph.Node(l.Key).Ne[0])
	}
	m.places = p
	return nil
}
