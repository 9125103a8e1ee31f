package engine

import (
	"context"
	"fmt"

	"retcon/gguf"
	"retcon/gguf/ffn"
	"retcon/graph"
	"retcon/llama"
	"retcon/lm"
	"retcon/replay"
)

var _ lm.Widenable = (*Model)(nil)

// networkState is what the model keeps of its last feed-forward network.
type networkState struct {
	site       lm.Network
	query, ffn llama.Place
	pruned     bool // the last layer computes only rows whose logits are read
	heads      *llama.Context
	transposed *replay.Transposed
	tried      bool // transposes were made, or do not fit
	neurons    []ffn.Neuron
}

// acts are the activations by the operator of the graph.
var acts = map[graph.Op]lm.Activation{
	graph.OpRelu: lm.ReLU, graph.OpGelu: lm.GELU, graph.OpGeluErf: lm.GELUErf,
	graph.OpGeluQuick: lm.GELUQuick, graph.OpSilu: lm.SiLU,
}

// LastNetwork finds the last feed-forward network in a decode.
func (m *Model) LastNetwork(ctx context.Context) (lm.Network, error) {
	if m.network != nil {
		return m.network.site, nil
	}
	c, err := m.contextFor(batchTokens)
	if err != nil {
		return lm.Network{}, err
	}
	var b llama.Batch
	b.Add(0, 0, 0, false)
	b.Add(0, 1, 0, true)
	d, err := replay.Record(ctx, c, b)
	if err != nil {
		return lm.Network{}, err
	}
	n, err := d.Network()
	if err != nil {
		return lm.Network{}, err
	}
	p := &networkState{pruned: d.Graph.Node(n.Query).Ne[1] == 1}
	layer := len(d.Sites.Layers) - 1
	if p.query, err = llama.PlaceOf(d.Graph, n.Query); err != nil {
		return lm.Network{}, err
	}
	if p.ffn, err = llama.PlaceOf(d.Graph, d.Sites.Layers[layer].FFN); err != nil {
		return lm.Network{}, err
	}
	if p.site, err = m.siteOf(c, d, n, layer); err != nil {
		return lm.Network{}, err
	}
	m.network = p
	return p.site, nil
}

func (m *Model) siteOf(c *llama.Context, d *replay.Decode, n *graph.Network, layer int) (lm.Network, error) {
	s := lm.Network{Arch: m.info.Arch, Layer: layer, Width: m.info.Width, Vocab: m.info.Vocab,
		Act: acts[n.Act], Squared: n.Squared, Gated: n.Gated, GateScale: 1, UpScale: 1}
	gate, up, err := m.addableBiases(n)
	if err != nil {
		return s, err
	}
	s.Bias, s.UpBias = gate, up && n.Gated
	for _, k := range []struct {
		leaf  graph.ID
		scale *float32
	}{{n.Gate.Scale, &s.GateScale}, {n.Up.Scale, &s.UpScale}} {
		if !n.Gated && k.scale == &s.GateScale || k.leaf < 0 {
			continue
		}
		var v [1]float32
		if err := llama.ReadTensor(c, d.Graph.Node(k.leaf).Handle, 0, v[:]); err != nil {
			return s, err
		}
		if *k.scale = v[0]; v[0] == 0 {
			return s, fmt.Errorf("%w: architecture %s: a scale of the last feed-forward network is 0", llama.ErrUnsupported, m.info.Arch)
		}
	}
	return s, nil
}

// addableBiases reports whether neurons can have a bias at the activation, and
// at the up-projection of a gated network: the graph adds one, or would.
func (m *Model) addableBiases(n *graph.Network) (act, up bool, err error) {
	f, err := gguf.Open(m.info.Path)
	if err != nil {
		return false, false, err
	}
	defer f.Close()
	w, err := ffn.Read(f)
	if err != nil {
		return false, false, fmt.Errorf("%w: %w", llama.ErrUnsupported, err)
	}
	gate, upper := w.Biases()
	last := w.Last()
	// a bias that the file has counts only if the graph adds it
	if last.GateBias != "" {
		gate = n.Gate.Bias >= 0
	}
	if last.UpBias != "" {
		upper = n.Up.Bias >= 0
	}
	if !n.Gated {
		return upper, false, nil
	}
	return gate, upper, nil
}

// head is a Tail with room for what it reads.
type head struct {
	*replay.Tail
	logits []float32
}

// Best is the likeliest token of each row.
func (h *head) Best() ([]int32, error) {
	if h.logits == nil {
		h.logits = make([]float32, h.Rows()*h.Vocab())
	}
	if err := h.Logits(h.logits); err != nil {
		return nil, err
	}
	out := make([]int32, h.Rows())
	for i := range out {
		out[i] = llama.Greedy(h.logits[i*h.Vocab():][:h.Vocab()])
	}
	return out, nil
}

// headCells and headRows are the size of the context that tails live in.
const (
	headCells = 2048
	headBatch = 256
)

// Head decodes the rows' beginnings, then records the decode of the rest.
func (m *Model) Head(ctx context.Context, rows []lm.HeadRow) (lm.Head, error) {
	if _, err := m.LastNetwork(ctx); err != nil {
		return nil, err
	}
	cells, batch := 0, 0
	for i, r := range rows {
		if r.From < 0 || r.From >= len(r.Tokens) {
			return nil, fmt.Errorf("%w: row %d of %d tokens is looked at from %d", llama.ErrInvalid, i, len(r.Tokens), r.From)
		}
		cells += len(r.Tokens)
		batch += len(r.Tokens) - r.From
	}
	c, err := m.headContext(cells, batch, len(rows))
	if err != nil {
		return nil, err
	}
	d := decoder{c: c}
	var b llama.Batch
	for seq, r := range rows {
		for pos, t := range r.Tokens {
			if pos >= r.From {
				b.Add(t, pos, seq, true)
				continue
			}
			if err := d.add(ctx, t, pos, seq, nil); err != nil {
				return nil, err
			}
		}
	}
	if err := d.flush(ctx); err != nil {
		return nil, err
	}
	if err := m.transposeHead(ctx, c); err != nil {
		return nil, err
	}
	h, err := replay.NewTail(ctx, c, b, m.network.transposed)
	if err != nil {
		return nil, err
	}
	return &head{Tail: h}, nil
}

// headContext is the context of heads, empty, which keeps the transposed output
// matrix from one to the next.
func (m *Model) headContext(cells, batch, rows int) (*llama.Context, error) {
	p := m.network
	if p.heads != nil {
		if have := p.heads.Params(); have.Cells >= cells && have.Batch >= batch && have.Sequences >= rows {
			p.heads.Clear()
			return p.heads, nil
		}
		m.closeHeads()
	}
	var err error
	batch = max(batch, headBatch)
	p.heads, err = m.newContext(llama.ContextParams{
		Cells: max(cells, headCells), Batch: max(batch, batchTokens), Outputs: batch, Sequences: max(rows, batchRows),
	})
	return p.heads, err
}

func (m *Model) closeHeads() {
	if m.network == nil {
		return
	}
	m.network.transposed.Close()
	m.network.heads.Close()
	m.network.transposed, m.network.heads, m.network.tried = nil, nil, false
}

// transposeHead keeps the transposes of the weights after the site, where they
// take at most half the memory.
func (m *Model) transposeHead(ctx context.Context, c *llama.Context) error {
	p := m.network
	if p.tried {
		return nil
	}
	p.tried = true
	s, err := m.headSlice(ctx, c)
	if err != nil {
		return err
	}
	types := []graph.Type{graph.F32, graph.BF16} // best first
	if p := replay.ThisProcessor(); p.Copies {
		types = []graph.Type{p.Small}
	}
	for _, t := range types {
		if replay.TransposeBytes(s, t) <= m.opts.Memory/2 {
			p.transposed, err = replay.Transpose(ctx, c, s, t)
			return err
		}
	}
	return nil
}

// headSlice is the network after the site, in a decode of one token that is
// forgotten again.
func (m *Model) headSlice(ctx context.Context, c *llama.Context) (*graph.Slice, error) {
	var b llama.Batch
	b.Add(0, 0, c.Params().Sequences-1, true)
	d, err := replay.Record(ctx, c, b)
	if err != nil {
		return nil, err
	}
	site := d.Sites.Layers[len(d.Sites.Layers)-1].FFN
	s, err := graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits})
	if err != nil {
		return nil, err
	}
	return s, d.Rewind()
}
