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
	if layer < 0 || layer >= c.Model().Info().Layers {
		return nil, nil, false, nil
	}
	out, err := read(ctx, c, b, copies, func(d *Decode) []graph.ID {
		site := d.Sites.Layers[layer]
		return []graph.ID{site.Key, site.FFN}
	})
	if out == nil || err != nil {
		return nil, nil, false, err
	}
	return out[0], out[1], true, nil
}

// LastQueries computes the inputs [n_embd] of the last layer's feed-forward
// network as [Keys] does keys.
func LastQueries(ctx context.Context, c *llama.Context, b llama.Batch, copies *Copies) (queries [][]float32, ok bool, err error) {
	out, err := read(ctx, c, b, copies, func(d *Decode) []graph.ID {
		n, err := d.Network()
		if err != nil {
			return nil
		}
		return []graph.ID{n.Query}
	})
	if out == nil || err != nil {
		return nil, false, err
	}
	return out[0], true, nil
}

// read computes nodes of a batch's decode by a program, and gives their values
// at the tokens that ask for logits; nil where a program cannot.
func read(ctx context.Context, c *llama.Context, b llama.Batch, copies *Copies, sites func(*Decode) []graph.ID) ([][][]float32, error) {
	if !copies.Policy().Products {
		return nil, nil
	}
	b, rows := evened(b, c.Params().Batch)
	d, err := sketched(ctx, c, b)
	if errors.Is(err, llama.ErrUnsupported) {
		return nil, nil
	}
	if err != nil || d.rec.Computed {
		return nil, err
	}
	ids := sites(d)
	for _, id := range ids {
		if id < 0 || d.Graph.Node(id).Type != graph.F32 || !d.Graph.Node(id).Contiguous() {
			return nil, nil
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	s, err := graph.Cut(d.Graph, nil, ids)
	if err != nil {
		return nil, err
	}
	s, consts, err := d.apart(s, rows)
	if err != nil {
		return nil, err
	}
	if err := d.computeSlice(ctx, s, consts, copies, nil, ids); err != nil {
		return nil, err
	}
	var out [][][]float32
	for _, id := range ids {
		out = append(out, d.asked(id))
	}
	return out, nil
}

// apart lets whole sequences attend to themselves only, where the model's
// attention has a form that allows it; consts are what that needs.
func (d *Decode) apart(s *graph.Slice, rows graph.Rows) (out *graph.Slice, consts []graph.Const, err error) {
	if rows.Length == 0 {
		return s, nil, nil
	}
	local, l, err := d.localise(s, rows)
	switch {
	case errors.Is(err, graph.ErrGraph):
		return s, nil, nil
	case err != nil:
		return nil, nil, err
	case len(l.Prefixes) > 0:
		return s, nil, nil
	}
	return local, l.Consts, nil
}

// evened repeats the last token of shorter sequences after them, which changes
// nothing before it, so that attention can be each sequence's own. Where that
// is more than most tokens the batch stays as it is, and rows are 0.
func evened(b llama.Batch, most int) (llama.Batch, graph.Rows) {
	var lengths []int
	for i, seq := range b.Sequences {
		if int(seq) == len(lengths) {
			lengths = append(lengths, 0)
		}
		if int(seq) != len(lengths)-1 || b.Positions[i] != int32(lengths[seq]) {
			return b, graph.Rows{} // not whole sequences, one after the other
		}
		lengths[seq]++
	}
	if len(lengths) == 0 || len(b.Shared) > 0 || slices.Max(lengths)*len(lengths) > most {
		return b, graph.Rows{}
	}
	longest := slices.Max(lengths)
	var out llama.Batch
	for i, seq := range b.Sequences {
		out.Add(b.Tokens[i], int(b.Positions[i]), int(seq), b.Logits[i])
		if i+1 == b.Len() || b.Sequences[i+1] != seq {
			for p := lengths[seq]; p < longest; p++ {
				out.Add(b.Tokens[i], p, int(seq), false)
			}
		}
	}
	return out, graph.Rows{Sequences: len(lengths), Length: longest}
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
