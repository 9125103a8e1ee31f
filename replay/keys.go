package replay

import (
	"context"
	"errors"
	"slices"

	"retcon/graph"
	"retcon/llama"
)

// Keys computes a layer's keys [n_ff] and FFN outputs [n_embd] at those tokens
// of a batch of whole sequences that ask for logits, by a program that ends
// there, with products as [Prefill] has them. ok is false where no program can
// stand for the decode, or none would be faster. What the cache held is lost.
func Keys(ctx context.Context, c *llama.Context, b llama.Batch, layer int, copies *Copies) (keys, values [][]float32, ok bool, err error) {
	if copies == nil || copies.turnedOnly || layer < 0 || layer >= c.Model().Info().Layers {
		return nil, nil, false, nil
	}
	d, err := sketched(ctx, c, b)
	if errors.Is(err, llama.ErrUnsupported) {
		return nil, nil, false, nil
	}
	if err != nil || d.rec.Computed {
		return nil, nil, false, err
	}
	site := d.Sites.Layers[layer]
	read := []graph.ID{site.Key, site.FFN}
	for _, id := range read {
		if id < 0 || d.Graph.Node(id).Type != graph.F32 || !d.Graph.Node(id).Contiguous() {
			return nil, nil, false, nil
		}
	}
	if err := d.compute(ctx, nil, copies, read); err != nil {
		return nil, nil, false, err
	}
	return d.asked(site.Key), d.asked(site.FFN), true, nil
}

// asked is a kept value [n, rows] at the tokens that ask for logits; the last
// layer computes no others.
func (d *Decode) asked(id graph.ID) [][]float32 {
	n := int(d.Graph.Node(id).Ne[0])
	data := floats(d.Value(id))
	all := len(data) == n*d.Batch.Len()
	var out [][]float32
	for i, row := 0, 0; i < d.Batch.Len(); i++ {
		if !d.Batch.Logits[i] {
			continue
		}
		at := row
		if all {
			at = i
		}
		out = append(out, slices.Clone(data[at*n:(at+1)*n]))
		row++
	}
	return out
}
