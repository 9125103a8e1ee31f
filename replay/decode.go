package replay

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"retcon/graph"
	"retcon/llama"
)

// Decode is a recorded decode: its graph, sites and, once [Decode.Keep] has
// run, the values that its slices need.
type Decode struct {
	Context *llama.Context
	Batch   llama.Batch
	Graph   *graph.Graph
	Sites   *graph.Sites
	rec     *llama.Recording
}

// Record decodes a batch and records its graph. The model's architecture must
// be one whose sites can be found; [llama.ErrUnsupported] names what is amiss.
func Record(ctx context.Context, c *llama.Context, b llama.Batch) (*Decode, error) {
	info := c.Model().Info()
	if err := Supported(info); err != nil {
		return nil, err
	}
	d := &Decode{Context: c, Batch: b}
	rec, err := c.Record(ctx, &d.Batch, nil)
	if err != nil {
		return nil, err
	}
	if err := d.use(rec, info); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Decode) use(rec *llama.Recording, info llama.ModelInfo) error {
	sites, err := graph.FindSites(rec.Graph, info.Layers)
	if err != nil {
		return fmt.Errorf("%w: architecture %s: %w", llama.ErrUnsupported, info.Arch, err)
	}
	if got := rec.Graph.Node(sites.Logits).Ne[0]; got != int64(info.Vocab) {
		return fmt.Errorf("%w: architecture %s: the decode ends in rows of %d, not logits of %d", llama.ErrUnsupported, info.Arch, got, info.Vocab)
	}
	d.rec, d.Graph, d.Sites = rec, rec.Graph, sites
	return nil
}

// Supported refuses a model whose decode is no plain graph from its tokens to
// its logits, by name.
func Supported(info llama.ModelInfo) error {
	why := ""
	switch {
	case info.Hybrid:
		why = "is a hybrid of attention and recurrent layers"
	case info.Recurrent:
		why = "is recurrent"
	case info.Encoder:
		why = "has an encoder"
	case info.Diffusion:
		why = "generates by diffusion"
	}
	if why != "" {
		return fmt.Errorf("%w: architecture %s %s", llama.ErrUnsupported, info.Arch, why)
	}
	return nil
}

// Rewind forgets the batch's tokens, so that it can be decoded again.
func (d *Decode) Rewind() error {
	first := map[int32]int32{}
	for i, seq := range d.Batch.Sequences {
		if p, ok := first[seq]; !ok || d.Batch.Positions[i] < p {
			first[seq] = d.Batch.Positions[i]
		}
	}
	for seq, p := range first {
		if err := d.Context.Remove(int(seq), int(p), -1); err != nil {
			return err
		}
	}
	return nil
}

// Keep decodes the batch again and keeps the values that a slice needs.
func (d *Decode) Keep(ctx context.Context, s *graph.Slice) error {
	return d.keepAll(ctx, s, graph.None)
}

// keepAll is Keep without the value of one node.
func (d *Decode) keepAll(ctx context.Context, s *graph.Slice, but graph.ID) error {
	var want []graph.ID
	for _, v := range s.Values {
		if s.From[v] != but {
			want = append(want, s.From[v])
		}
	}
	return d.keepNodes(ctx, want)
}

// keepNodes decodes the batch again and keeps the values of those of the nodes
// that are computed and not kept yet.
func (d *Decode) keepNodes(ctx context.Context, ids []graph.ID) error {
	var want []graph.ID
	for _, id := range ids {
		if d.Graph.Node(id).Kind == graph.Computed && d.rec.Bytes(id) == nil {
			want = append(want, id)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if len(want) == 0 {
		return nil
	}
	if err := d.Rewind(); err != nil {
		return err
	}
	rec, err := d.Context.Record(ctx, &d.Batch, want)
	if err != nil {
		return err
	}
	if err := sameGraph(d.Graph, rec.Graph); err != nil {
		return err
	}
	for _, id := range want {
		d.rec.Keep(id, rec.Bytes(id))
	}
	return nil
}

// sameGraph reports a decode that ran another graph, or other cells of the
// cache, than the one it repeats.
func sameGraph(a, b *graph.Graph) error {
	if len(a.Nodes) != len(b.Nodes) {
		return fmt.Errorf("%w: a repeated decode ran %d nodes, not %d", llama.ErrCompute, len(b.Nodes), len(a.Nodes))
	}
	for i := range a.Nodes {
		x, y := &a.Nodes[i], &b.Nodes[i]
		if x.Op != y.Op || x.Ne != y.Ne || x.Kind != y.Kind || x.Src != y.Src {
			return fmt.Errorf("%w: a repeated decode ran %v where the first ran %v", llama.ErrCompute, y, x)
		}
	}
	return nil
}

// Value is the bytes of an input or a kept node of the decode.
func (d *Decode) Value(id graph.ID) []byte { return d.rec.Bytes(id) }

// Known reads row indices of the decode for the reverse rules of a slice.
func (d *Decode) Known(s *graph.Slice) graph.Values {
	return func(id graph.ID) []int64 {
		if int(id) >= len(s.From) || s.From[id] < 0 {
			return nil
		}
		return d.rec.Ints(s.From[id])
	}
}

// Load sets the inputs of a program cut from the decode to their values there.
func (d *Decode) Load(p *llama.Program, s *graph.Slice) error {
	for _, v := range s.Values {
		data := d.rec.Bytes(s.From[v])
		if data == nil {
			return fmt.Errorf("%w: the value of %v was not kept", llama.ErrInvalid, s.Node(v))
		}
		if err := p.SetBytes(v, data); err != nil {
			return err
		}
	}
	return nil
}

func bytesOf(values []float32) []byte {
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// floats reads F32 values.
func floats(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}
