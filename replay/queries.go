package replay

import (
	"context"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// Queries computes the inputs of the last layer's feed-forward network at every
// position of texts. The forward pass stops there.
type Queries struct {
	program *llama.Program
	tokens  graph.ID // input: the tokens of a chunk
	out     graph.ID // [n_embd, rows x length]
	rows    int
	length  int
	width   int
}

// NewQueries prepares texts of at most length tokens, rows of them beside each
// other. The context must be empty and hold rows sequences, rows x length
// tokens and as many rows of logits: the last layer computes only what logits
// are read of, so they are all asked for, once. copies may be nil.
func NewQueries(ctx context.Context, c *llama.Context, rows, length int, copies *Copies) (*Queries, error) {
	var b llama.Batch
	for seq := range rows {
		for pos := range length {
			b.Add(0, pos, seq, true)
		}
	}
	d, err := Record(ctx, c, b)
	if err != nil {
		return nil, err
	}
	n, err := d.Network()
	if err != nil {
		return nil, err
	}
	s, err := graph.Cut(d.Graph, nil, []graph.ID{n.Query})
	if err != nil {
		return nil, err
	}
	s, consts, err := copies.useMany(ctx, s)
	if err != nil {
		return nil, err
	}
	out := graph.Builder{Graph: &s.Graph}.Own(s.To[n.Query])
	q := &Queries{rows: rows, length: length, out: out, width: int(s.Node(out).Ne[0])}
	if s.Node(out).Ne[1] != int64(rows*length) {
		return nil, fmt.Errorf("%w: the last feed-forward network has %d rows for %d tokens", llama.ErrUnsupported, s.Node(out).Ne[1], rows*length)
	}
	q.tokens = s.Node(s.To[d.Sites.Embedding]).Src[1]
	if q.program, err = c.NewProgram(&s.Graph, []graph.ID{out}); err != nil {
		return nil, err
	}
	if err = d.Load(q.program, s); err == nil {
		err = q.program.SetConsts(consts)
	}
	if err != nil {
		q.Close()
		return nil, err
	}
	return q, nil
}

// Network takes the last layer's feed-forward network of the decode apart.
func (d *Decode) Network() (*graph.Network, error) {
	n, err := graph.FindNetwork(d.Graph, d.Sites, len(d.Sites.Layers)-1)
	if err != nil {
		return nil, fmt.Errorf("%w: architecture %s: %w", llama.ErrUnsupported, d.Context.Model().Info().Arch, err)
	}
	return n, nil
}

// Run computes the queries of texts, at most as many and as long as the chunk:
// that of token j of text i is row i length + j of dst, [rows x length, n_embd].
func (q *Queries) Run(ctx context.Context, texts [][]int32, dst []float32) error {
	tokens := make([]int32, q.rows*q.length)
	if len(texts) > q.rows {
		return fmt.Errorf("%w: %d texts in a chunk of %d", llama.ErrInvalid, len(texts), q.rows)
	}
	for i, text := range texts {
		if len(text) > q.length {
			return fmt.Errorf("%w: a text of %d tokens in a chunk of %d", llama.ErrInvalid, len(text), q.length)
		}
		copy(tokens[i*q.length:], text)
	}
	if err := q.program.SetInts(q.tokens, tokens); err != nil {
		return err
	}
	if err := q.program.Run(ctx); err != nil {
		return err
	}
	return q.program.Read(dst, q.out)
}

// Width is the length of a query.
func (q *Queries) Width() int { return q.width }

// Close frees the program.
func (q *Queries) Close() error { return q.program.Close() }
