package replay

import (
	"context"
	"fmt"
	"math"

	"retcon/graph"
	"retcon/llama"
)

// Tail is the network after the last feed-forward network: what is added to
// the output of its down-projection goes in, the negative log-likelihood of a
// target at each row comes out, and its gradient. All before it is constant.
type Tail struct {
	decode  *Decode
	slice   *graph.Slice
	program *llama.Program
	site    graph.ID // input [n_embd, rows]: the output of ffn_down
	logits  graph.ID
	p       graph.ID // probability of each row's target, [1, rows]
	grad    graph.ID
	target  graph.ID // input I32 [rows]: index of the target in all logits
	target8 graph.ID // the same, I64
	weight  graph.ID // input [1, rows]
	minus   graph.ID // input [1, rows]: -weight

	queries []float32
	clean   []float32
	value   []float32
	out     []float32
	rows    int
	width   int
	vocab   int
}

// NewTail decodes a batch, all of whose tokens ask for logits, and cuts the
// network after the last feed-forward network. transposes may be nil.
func NewTail(ctx context.Context, c *llama.Context, b llama.Batch, transposes *Transposed) (*Tail, error) {
	d, err := Record(ctx, c, b)
	if err != nil {
		return nil, err
	}
	n, err := d.Network()
	if err != nil {
		return nil, err
	}
	site := d.Sites.Layers[len(d.Sites.Layers)-1].FFN
	s, err := graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits})
	if err != nil {
		return nil, err
	}
	want := []graph.ID{n.Query}
	for _, v := range s.Values {
		want = append(want, s.From[v])
	}
	if err := d.keepNodes(ctx, want); err != nil {
		return nil, err
	}
	h := &Tail{decode: d, slice: s, site: s.To[site], logits: s.To[d.Sites.Logits]}
	ne := s.Node(h.site).Ne
	h.width, h.rows, h.vocab = int(ne[0]), int(ne[1]), int(s.Node(h.logits).Ne[0])
	h.queries, h.clean = floats(d.Value(n.Query)), floats(d.Value(site))
	if h.rows != b.Len() || s.Node(h.logits).Ne[1] != ne[1] || len(h.queries) != h.rows*h.width {
		return nil, fmt.Errorf("%w: the last feed-forward network has %d rows of %d for %d tokens", llama.ErrUnsupported, h.rows, h.width, b.Len())
	}
	h.value, h.out = make([]float32, len(h.clean)), make([]float32, h.rows)
	return h, h.build(transposes)
}

// build appends the loss Σ weight (-log p) and its gradient: at the logits it
// is weight (p - e_target).
func (h *Tail) build(transposes *Transposed) error {
	b := graph.Builder{Graph: &h.slice.Graph}
	n, v := int64(h.rows), int64(h.vocab)
	h.target = b.Input(graph.I32, graph.Shape2(n, 1), "targets")
	h.target8 = b.Input(graph.I64, graph.Shape2(n, 1), "targets")
	h.weight = b.Input(graph.F32, graph.Shape2(1, n), "weights")
	h.minus = b.Input(graph.F32, graph.Shape2(1, n), "weights")
	soft := b.SoftMax(h.logits)
	// rows of one number are what SetRows needs; other operators crawl on them
	one := b.Reshape(b.Fill(soft, 0), graph.Shape2(1, v*n))
	minus := b.Reshape(b.SetRows(one, h.minus, h.target8), b.Node(h.logits).Ne)
	seed := b.Add(b.Mul(soft, h.weight), minus)
	h.p = b.GetRows(b.Reshape(soft, graph.Shape2(1, v*n)), h.target)
	g, err := graph.Gradient(&h.slice.Graph, []graph.Seed{{Node: h.logits, Gradient: seed}}, []graph.ID{h.site}, h.decode.Known(h.slice), transposes.Use)
	if err != nil {
		return err
	}
	h.grad = b.Own(g.Of[h.site])
	if h.program, err = h.decode.Context.NewProgram(&h.slice.Graph, []graph.ID{h.p, h.grad, h.logits}); err != nil {
		return err
	}
	if err = h.decode.Load(h.program, h.slice); err == nil {
		err = h.program.SetConsts(g.Consts)
	}
	if err != nil {
		h.Close()
	}
	return err
}

// Slice is the network after the site.
func (h *Tail) Slice() *graph.Slice { return h.slice }

// Rows is the number of rows, one a token of the batch.
func (h *Tail) Rows() int { return h.rows }

// Queries are the inputs of the last feed-forward network, [rows, n_embd].
func (h *Tail) Queries() []float32 { return h.queries }

// Target sets the token that each row should predict and how much that counts.
func (h *Tail) Target(tokens []int32, weights []float32) error {
	if len(tokens) != h.rows || len(weights) != h.rows {
		return fmt.Errorf("%w: %d targets and %d weights for %d rows", llama.ErrInvalid, len(tokens), len(weights), h.rows)
	}
	at, at8, minus := make([]int32, h.rows), make([]int64, h.rows), make([]float32, h.rows)
	for i, t := range tokens {
		if t < 0 || int(t) >= h.vocab || h.rows*h.vocab > math.MaxInt32 {
			return fmt.Errorf("%w: token %d of %d in %d rows", llama.ErrInvalid, t, h.vocab, h.rows)
		}
		at[i] = int32(i*h.vocab) + t
		at8[i], minus[i] = int64(at[i]), -weights[i]
	}
	ctx := h.decode.Context
	if err := llama.WriteTensor(ctx, h.program.Handle(h.target8), 0, at8); err != nil {
		return err
	}
	if err := h.program.SetInts(h.target, at); err != nil {
		return err
	}
	if err := h.program.Set(h.weight, weights); err != nil {
		return err
	}
	return h.program.Set(h.minus, minus)
}

// Step computes -log p of each row's target, in nats, with add [rows, n_embd]
// added to the network's output, and the gradient of their weighted sum there.
func (h *Tail) Step(ctx context.Context, add, grad []float32, nll []float64) error {
	for i, c := range h.clean {
		h.value[i] = c + add[i]
	}
	if err := h.program.Set(h.site, h.value); err != nil {
		return err
	}
	if err := h.program.Run(ctx); err != nil {
		return err
	}
	if err := h.program.Read(h.out, h.p); err != nil {
		return err
	}
	for i, p := range h.out {
		nll[i] = -math.Log(max(float64(p), tiny))
	}
	return h.program.Read(grad, h.grad)
}

// Logits reads the logits of the last Step, [rows, n_vocab].
func (h *Tail) Logits(dst []float32) error { return h.program.Read(dst, h.logits) }

// Vocab is the number of logits of a row.
func (h *Tail) Vocab() int { return h.vocab }

// Close frees the program.
func (h *Tail) Close() error { return h.program.Close() }
