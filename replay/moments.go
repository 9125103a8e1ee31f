package replay

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// momentsBlock is the number of rows of the sum that one product gives.
const momentsBlock = 1024

// Moments sums k kᵀ over the keys of a layer. The forward pass stops at the
// key; the sum stays on the device, its lower triangle in blocks of rows.
type Moments struct {
	ctx     *llama.Context
	slice   *graph.Slice
	program *llama.Program
	store   *llama.Store
	tokens  graph.ID // input: the tokens of a chunk
	mask    graph.ID // input: 1 for a token that counts, [1, T]
	dim     int64
	count   int64
	rows    int // sequences in a chunk
	length  int // tokens of each
}

// NewMoments prepares the sum for texts of at most length tokens, rows of them
// beside each other in a chunk. The context must be empty and hold rows
// sequences and rows x length tokens. copies may be nil.
func NewMoments(ctx context.Context, c *llama.Context, layer, rows, length int, copies *Copies) (*Moments, error) {
	var b llama.Batch
	for seq := range rows {
		for pos := range length {
			b.Add(0, pos, seq, seq == rows-1 && pos == length-1)
		}
	}
	d, err := sketch(ctx, c, b)
	if err != nil {
		return nil, err
	}
	if layer < 0 || layer >= len(d.Sites.Layers) {
		return nil, fmt.Errorf("%w: layer %d of %d", llama.ErrInvalid, layer, len(d.Sites.Layers))
	}
	key := d.Sites.Layers[layer].Key
	if d.Graph.Node(key).Ne[1] != int64(rows*length) {
		return nil, fmt.Errorf("%w: the last layer computes its keys only where logits are read; choose a layer before it", llama.ErrUnsupported)
	}
	m := &Moments{ctx: c, rows: rows, length: length}
	if err := m.build(ctx, d, key, copies); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Moments) build(ctx context.Context, d *Decode, key graph.ID, copies *Copies) error {
	s, err := graph.Cut(d.Graph, nil, []graph.ID{key})
	if err != nil {
		return err
	}
	s, consts, err := copies.useMany(ctx, s)
	if err != nil {
		return err
	}
	m.slice = s
	m.tokens = s.Node(s.To[d.Sites.Embedding]).Src[1]
	b := graph.Builder{Graph: &s.Graph}
	k := s.To[key]
	m.dim = b.Node(k).Ne[0]
	n := b.Node(k).Ne[1]
	m.mask = b.Input(graph.F32, graph.Shape2(1, n), "mask")
	t := b.Cont(b.Transpose(b.Mul(k, m.mask))) // [T, n_ff]
	if err := m.accumulate(b, t, n); err != nil {
		return err
	}
	if m.program, err = m.ctx.NewProgram(&s.Graph, nil); err != nil {
		return err
	}
	if err := m.program.SetConsts(consts); err != nil {
		return err
	}
	return d.Load(m.program, s)
}

// accumulate appends C += K Kᵀ, a block of rows at a time up to its diagonal.
func (m *Moments) accumulate(b graph.Builder, t graph.ID, n int64) error {
	var specs []llama.TensorSpec
	for r := int64(0); r < m.dim; r += momentsBlock {
		end := min(r+momentsBlock, m.dim)
		specs = append(specs, llama.TensorSpec{Type: graph.F32, Ne: graph.Shape2(end, end-r)})
	}
	var err error
	if m.store, err = m.ctx.NewStore(specs); err != nil {
		return err
	}
	nb := b.Node(t).Nb
	for i, spec := range specs {
		r, end := int64(i)*momentsBlock, spec.Ne[0]
		sum := b.Input(graph.F32, spec.Ne, "sum")
		b.Nodes[sum].Handle = m.store.Handle(i)
		left := b.View(t, graph.Shape2(n, end), nb, 0)
		right := b.View(t, graph.Shape2(n, end-r), nb, uint64(r)*nb[1])
		b.Store(b.Add(sum, b.MulMat(left, right)), sum)
		if err := llama.WriteTensor(m.ctx, m.store.Handle(i), 0, make([]float32, spec.Ne[0]*spec.Ne[1])); err != nil {
			return err
		}
	}
	return nil
}

// Add sums the keys of texts, at most as many and as long as the chunk.
func (m *Moments) Add(ctx context.Context, texts [][]int32) error {
	tokens := make([]int32, m.rows*m.length)
	mask := make([]float32, len(tokens))
	n := int64(0)
	if len(texts) > m.rows {
		return fmt.Errorf("%w: %d texts in a chunk of %d", llama.ErrInvalid, len(texts), m.rows)
	}
	for i, text := range texts {
		if len(text) > m.length {
			return fmt.Errorf("%w: a text of %d tokens in a chunk of %d", llama.ErrInvalid, len(text), m.length)
		}
		copy(tokens[i*m.length:], text)
		for j := range text {
			mask[i*m.length+j] = 1
		}
		n += int64(len(text))
	}
	if err := m.program.SetInts(m.tokens, tokens); err != nil {
		return err
	}
	if err := m.program.Set(m.mask, mask); err != nil {
		return err
	}
	if err := m.program.Run(ctx); err != nil {
		return err
	}
	m.count += n
	return nil
}

// Count is the number of keys summed.
func (m *Moments) Count() int64 { return m.count }

// Close frees the sum.
func (m *Moments) Close() error {
	m.program.Close()
	return m.store.Close()
}
