package replay

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// Layered is a recorded decode as a program for each layer, so that layers can
// run in any order, or not at all. The decode's batch must hold all that its
// rows attend to, and have logits everywhere: a layer computes its keys and
// values anew each time, and reads no others from the cache.
type Layered struct {
	begin    []float32
	programs []*llama.Program
	in, out  []graph.ID
}

// NewLayered builds the programs. [llama.ErrUnsupported] names a layer that
// cannot stand alone.
func NewLayered(ctx context.Context, d *Decode) (*Layered, error) {
	slices, err := graph.LayerSlices(d.Graph, d.Sites)
	if err != nil {
		return nil, fmt.Errorf("%w: architecture %s: %w", llama.ErrUnsupported, d.Context.Model().Info().Arch, err)
	}
	begin, err := d.Sites.Begin(d.Graph)
	if err != nil {
		return nil, err
	}
	l := &Layered{}
	in := begin
	for i, s := range slices {
		if err := l.add(ctx, d, s, in, d.Sites.Layers[i].Residual); err != nil {
			l.Close()
			return nil, err
		}
		in = d.Sites.Layers[i].Residual
	}
	l.begin = floats(d.rec.Bytes(begin))
	return l, nil
}

// add builds a layer's program and gives it all its inputs but the stream.
func (l *Layered) add(ctx context.Context, d *Decode, s *graph.Slice, in, out graph.ID) error {
	but := in
	if len(l.programs) == 0 {
		but = graph.None // the first stream is the decode's own
	}
	if err := d.keepAll(ctx, s, but); err != nil {
		return err
	}
	p, err := d.Context.NewProgram(&s.Graph, []graph.ID{s.To[out]})
	if err != nil {
		return err
	}
	l.programs, l.in, l.out = append(l.programs, p), append(l.in, s.To[in]), append(l.out, s.To[out])
	for _, v := range s.Values {
		if s.From[v] == in {
			continue
		}
		if err := p.SetBytes(v, d.Value(s.From[v])); err != nil {
			return err
		}
	}
	return nil
}

// Begin is the stream that the first layer of the decode reads, [rows, width].
func (l *Layered) Begin() []float32 { return append([]float32(nil), l.begin...) }

// Run takes a stream [rows, width] through layers, in the order given. x is
// overwritten.
func (l *Layered) Run(ctx context.Context, x []float32, layers ...int) error {
	for _, i := range layers {
		p := l.programs[i]
		if err := p.Set(l.in[i], x); err != nil {
			return err
		}
		if err := p.Run(ctx); err != nil {
			return err
		}
		if err := p.Read(x, l.out[i]); err != nil {
			return err
		}
	}
	return nil
}

// Close frees the programs.
func (l *Layered) Close() error {
	var first error
	for _, p := range l.programs {
		if err := p.Close(); first == nil {
			first = err
		}
	}
	return first
}
