package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"retcon/graph"
	"retcon/llama"
)

// ValueRow is one sequence of the optimisation of a value: its tokens from the
// edited position on, with those before it in the cache already.
type ValueRow struct {
	Sequence int
	Position int     // of the first token, the edited one
	Tokens   []int32 // from the edited position on
	// Targets count TargetWeight each. KeepAt is the position, counted from
	// the edited one, whose prediction is to stay, with weight KLWeight.
	Targets      []Target
	TargetWeight float64
	KeepAt       int
	KLWeight     float64
	// Edit is which delta is added, where there are several.
	Edit int
	// Key asks for the row's key.
	Key bool
}

// Target says that Token should follow position At of a row.
type Target struct {
	At    int
	Token int32
}

// ValueSpec says which loss a Value computes.
type ValueSpec struct {
	Layer int
	// Batches holds the rows of each step, the same number in each, with
	// targets and KL terms at the same places: one program serves them all.
	Batches [][]ValueRow
	// Copies, if not nil, gives weights in a faster type.
	Copies *Copies
	// unified keeps attention as the decode has it, every row against every cell
	// of the cache, most of them masked, as for models whose attention has no form
	// of its own for a row.
	unified bool
}

// ErrUneven reports batches of rows that one program cannot serve.
var ErrUneven = errors.New("batches of different shapes")

// Value is the loss of ROME's value optimisation over batches of rows (equation
// 4 of the paper, without weight decay) as a function of delta, which is added
// to the layer's FFN output at the edited position of every row.
type Value struct {
	spec    ValueSpec
	slice   *graph.Slice // of the first batch; the others' are alike
	site    graph.ID
	batches []*valueBatch
	current int // the batch whose inputs are set
	local   bool
	chain   *Chain

	reader   prefixReader
	original map[int][]float32 // by sequence: the prediction that is to stay
	grad     []float32
	row      []float32
}

// NewValue cuts the network below the layer's FFN output for each batch. The
// cache holds what precedes the rows, and is as it was after it. Build must
// follow.
func NewValue(ctx context.Context, c *llama.Context, spec ValueSpec) (*Value, error) {
	v := &Value{spec: spec, current: -1, original: map[int][]float32{}}
	if n := c.Model().Info().Layers; spec.Layer < 0 || spec.Layer >= n {
		return nil, fmt.Errorf("%w: layer %d of %d", llama.ErrInvalid, spec.Layer, n)
	}
	known := map[graph.ID][]int64{} // what the slice's form depends on
	for i, rows := range spec.Batches {
		b, err := v.newBatch(ctx, c, rows, known)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			if err := b.like(v.batches[0], known); err != nil {
				return nil, err
			}
		}
		v.batches = append(v.batches, b)
	}
	if len(v.batches) == 0 {
		return nil, fmt.Errorf("%w: a value of no rows", llama.ErrInvalid)
	}
	first := v.batches[0]
	v.slice, v.site, v.local = first.slice, first.site, first.local
	n := v.slice.Node(v.site)
	v.grad, v.row = make([]float32, n.Elements()), make([]float32, n.Ne[0])
	return v, nil
}

// Local reports whether rows attend to their own sequence only.
func (v *Value) Local() bool { return v.local }

// Keys gives, by sequence, the layer's keys [n_ff] at the edited positions and
// its outputs [n_embd] for them, of the rows that ask for them; of none where a
// decode had to compute what the slice begins with.
func (v *Value) Keys() (keys, values map[int][]float32) {
	keys, values = map[int][]float32{}, map[int][]float32{}
	for _, b := range v.batches {
		for i, key := range b.keys {
			if key != nil {
				keys[b.rows[i].Sequence], values[b.rows[i].Sequence] = key, b.clean[i]
			}
		}
	}
	return keys, values
}

// length is the number of tokens of the longest row. Shorter ones are decoded
// with their last token repeated after them, which changes nothing before it.
func (s ValueSpec) length() int {
	n := 0
	for _, rows := range s.Batches {
		for _, r := range rows {
			n = max(n, len(r.Tokens))
		}
	}
	return n
}

// prefix is the room for earlier tokens in attention over a row's own sequence:
// kernels are many times faster on sums of a round number of terms.
func (s ValueSpec) prefix() int {
	n, length := 0, s.length()
	for _, rows := range s.Batches {
		for _, r := range rows {
			n = max(n, r.Position)
		}
	}
	return (n+length+keyStep-1)/keyStep*keyStep - length
}

// Slice is the network below the layer.
func (v *Value) Slice() *graph.Slice { return v.slice }

// Build makes the programs within memory bytes (0: no bound), with kept
// transposes where there are some. It may be called again, once there are others.
func (v *Value) Build(ctx context.Context, transposes graph.Transposes, memory int64) error {
	if err := v.Close(); err != nil {
		return err
	}
	b := v.batches[0]
	v.current = -1
	var err error
	v.chain, err = NewChain(ctx, b.decode, ChainSpec{
		Slice: v.slice, Seeds: []graph.Seed{{Node: v.slice.To[b.decode.Sites.Logits], Gradient: b.loss.seed}},
		WRT: []graph.ID{v.site}, Outputs: b.loss.outputs(), Consts: append(b.loss.consts, b.consts...),
		Transposes: transposes, Copies: v.spec.Copies, Memory: memory,
	})
	return err
}

// Step computes for each row of a batch the mean over its targets of -log p and
// its KL, in nats, at delta [n_embd], and adds the gradient of the weighted sum
// to grad [n_embd]. Rows of several edits have a delta and a gradient each, one
// after the other.
func (v *Value) Step(ctx context.Context, batch int, delta, grad []float32) (nll, kl []float64, err error) {
	b := v.batches[batch]
	if nll, kl, err = v.use(ctx, batch); err != nil {
		return nil, nil, err
	}
	if nll == nil || slices.ContainsFunc(delta, func(x float32) bool { return x != 0 }) {
		if err := v.run(ctx, b, delta); err != nil {
			return nil, nil, err
		}
		nll, kl = b.perRow()
	}
	n := len(v.row)
	for i, row := range b.at {
		own := grad[b.rows[i].Edit*n:][:n]
		for j := range own {
			own[j] += v.grad[row*n+j]
		}
	}
	return nll, kl, nil
}

// run computes the loss of a batch, whose inputs are set, and its gradient.
func (v *Value) run(ctx context.Context, b *valueBatch, delta []float32) error {
	for i, row := range b.at {
		own := delta[b.rows[i].Edit*len(v.row):][:len(v.row)]
		for j, c := range b.clean[i] {
			v.row[j] = c + own[j]
		}
		if err := v.chain.SetRow(v.site, row, v.row); err != nil {
			return err
		}
	}
	return v.chain.Run(ctx, b.outs, map[graph.ID][]float32{v.site: v.grad})
}

// use sets the inputs of a batch. The predictions that are to stay are those of
// a first run without delta; where that was made, its losses are returned, and
// its gradient is there: KL and its gradient are 0 without delta, as they are
// before the program knows what is to stay.
func (v *Value) use(ctx context.Context, batch int) (nll, kl []float64, err error) {
	b := v.batches[batch]
	if v.current != batch {
		for _, id := range v.slice.Values {
			if err := v.chain.SetBytes(id, b.decode.Value(b.slice.From[id])); err != nil {
				return nil, nil, err
			}
		}
		if err := v.chain.SetConsts(append(b.consts, b.loss.consts...)); err != nil {
			return nil, nil, err
		}
		for _, p := range b.prefixes {
			data, err := v.reader.read(b.decode.Context, p)
			if err != nil {
				return nil, nil, err
			}
			if err := v.chain.SetConsts([]graph.Const{{Node: p.Node, F32: data}}); err != nil {
				return nil, nil, err
			}
		}
		v.current = batch
	}
	if b.settled {
		return nil, nil, nil
	}
	missing := false
	for i, r := range b.rows {
		missing = missing || b.klOf[i] >= 0 && v.original[r.Sequence] == nil
	}
	if missing {
		edits := 1
		for _, r := range b.rows {
			edits = max(edits, r.Edit+1)
		}
		if err := v.run(ctx, b, make([]float32, edits*len(v.row))); err != nil {
			return nil, nil, err
		}
		nll, kl = b.perRow()
		for i, r := range b.rows {
			if b.klOf[i] >= 0 {
				v.original[r.Sequence] = b.loss.logitsOf(b.outs, b.klOf[i])
			}
		}
	}
	for i, r := range b.rows {
		if b.klOf[i] >= 0 {
			b.loss.keep(b.klOf[i], v.original[r.Sequence])
		}
	}
	b.settled = true
	return nll, kl, v.chain.SetConsts(b.loss.consts)
}

// Bytes is the memory that the value takes: what it holds, and the compute
// buffer that it shares with others of its context.
func (v *Value) Bytes() (held, compute int64) {
	if v.chain == nil {
		return 0, 0
	}
	return v.chain.Bytes() - v.chain.compute + v.chain.inputs.Bytes(), v.chain.compute
}

// Close frees the programs.
func (v *Value) Close() error {
	if v.chain == nil {
		return nil
	}
	c := v.chain
	v.chain = nil
	return c.Close()
}

// Segments is the number of parts that the network is computed in, one after
// the other.
func (v *Value) Segments() int { return v.chain.Segments() }
