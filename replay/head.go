package replay

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// Head is what a model has after its last layer: the final norm and the output
// matrix, with whatever scales or caps its logits. It turns any vector of the
// residual stream's width into logits.
type Head struct {
	program      *llama.Program
	site, logits graph.ID
	rows, width  int
	vocab        int
	x, y         []float32 // [rows, width] and [rows, n_vocab]
}

// NewHead cuts the head out of a decode of so many tokens, which is how many
// vectors it takes at a time. The context must be empty, and is left empty.
func NewHead(ctx context.Context, c *llama.Context, rows int) (*Head, error) {
	var b llama.Batch
	for i := range rows {
		b.Add(0, i, 0, true)
	}
	d, err := Record(ctx, c, b)
	if err != nil {
		return nil, err
	}
	defer c.Clear()
	info := c.Model().Info()
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: architecture %s: %s", llama.ErrUnsupported, info.Arch, fmt.Sprintf(format, args...))
	}
	site := d.Sites.Layers[info.Layers-1].Residual
	if site < 0 {
		return nil, refuse("no single residual stream leads out of the last layer")
	}
	s, err := graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits})
	if err != nil {
		return nil, err
	}
	for _, v := range s.Values {
		if from := s.From[v]; from != site && d.Graph.Node(from).Kind == graph.Computed {
			return nil, refuse("its logits read %v besides the residual stream", d.Graph.Node(from))
		}
	}
	h := &Head{site: s.To[site], logits: s.To[d.Sites.Logits], rows: rows, width: info.Width, vocab: info.Vocab}
	if n := s.Node(h.site); n.Ne != graph.Shape2(int64(info.Width), int64(rows)) {
		return nil, refuse("its last residual stream is %v", n.Ne)
	}
	if h.program, err = c.NewProgram(&s.Graph, []graph.ID{h.logits}); err != nil {
		return nil, err
	}
	for _, v := range s.Values {
		if v == h.site {
			continue
		}
		if err := h.program.SetBytes(v, d.Value(s.From[v])); err != nil {
			h.Close()
			return nil, err
		}
	}
	h.x, h.y = make([]float32, rows*info.Width), make([]float32, rows*info.Vocab)
	return h, nil
}

// Each calls fn with the logits [n_vocab] of each of the vectors x [n, width],
// in order; any n will do. fn must not keep what it is given.
func (h *Head) Each(ctx context.Context, x []float32, fn func(i int, logits []float32)) error {
	n := len(x) / h.width
	for first := 0; first < n; first += h.rows {
		m := copy(h.x, x[first*h.width:n*h.width]) / h.width
		clear(h.x[m*h.width:])
		if err := h.program.Set(h.site, h.x); err != nil {
			return err
		}
		if err := h.program.Run(ctx); err != nil {
			return err
		}
		if err := h.program.Read(h.y, h.logits); err != nil {
			return err
		}
		for i := range m {
			fn(first+i, h.y[i*h.vocab:][:h.vocab])
		}
	}
	return nil
}

// Close frees the program.
func (h *Head) Close() error {
	if h == nil {
		return nil
	}
	return h.program.Close()
}
