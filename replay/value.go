package replay

import (
	"context"
	"errors"
	"fmt"

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
}

// Target says that Token should follow position At of a row.
type Target struct {
	At    int
	Token int32
}

// ValueSpec says which loss a Value computes.
type ValueSpec struct {
	Layer int
	Rows  []ValueRow
	// Unified keeps attention as the decode has it: every row against every
	// cell of the cache, most of them masked.
	Unified bool
}

// Value is the loss of ROME's value optimisation over some rows (equation 4 of
// the paper, without weight decay) as a function of delta, which is added to
// the layer's FFN output at the edited position of every row.
type Value struct {
	spec   ValueSpec
	decode *Decode
	slice  *graph.Slice
	site   graph.ID
	rows   []int // row of the site for each row of the spec
	clean  [][]float32
	loss   *loss
	consts []graph.Const // inputs of attention in its local form, until built
	local  bool
	terms  [][]int // terms of the loss of each row
	klOf   []int   // KL term of each row, -1: none
	chain  *Chain

	grad []float32
	row  []float32
	outs map[graph.ID][]float32
}

// NewValue decodes the rows and cuts the network below the layer's FFN output.
// Build must follow.
func NewValue(ctx context.Context, c *llama.Context, spec ValueSpec) (*Value, error) {
	v := &Value{spec: spec}
	d, outputs, err := v.record(ctx, c)
	if err != nil {
		return nil, err
	}
	v.decode = d
	if spec.Layer < 0 || spec.Layer >= len(d.Sites.Layers) {
		return nil, fmt.Errorf("%w: layer %d of %d", llama.ErrInvalid, spec.Layer, len(d.Sites.Layers))
	}
	site := d.Sites.Layers[spec.Layer].FFN
	if v.slice, err = graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits}); err != nil {
		return nil, err
	}
	v.site = v.slice.To[site]
	if err := d.Keep(ctx, v.slice); err != nil {
		return nil, err
	}
	if err := v.locate(outputs); err != nil {
		return nil, err
	}
	if !spec.Unified {
		if err := v.localise(); err != nil {
			return nil, err
		}
	}
	return v, v.appendLoss(outputs)
}

// localise lets rows attend to their own sequence only, where the model's
// attention has a form that allows it.
func (v *Value) localise() error {
	rows := graph.Rows{Sequences: len(v.spec.Rows), Length: v.spec.length()}
	s, consts, err := v.decode.localise(v.slice, rows)
	if errors.Is(err, graph.ErrGraph) {
		return nil
	}
	if err != nil {
		return err
	}
	v.slice, v.consts, v.local = s, consts, true
	v.site = s.To[v.decode.Sites.Layers[v.spec.Layer].FFN]
	return nil
}

// Local reports whether rows attend to their own sequence only.
func (v *Value) Local() bool { return v.local }

// length is the number of tokens of the longest row. Shorter ones are decoded
// with their last token repeated behind them, which changes nothing before it.
func (s ValueSpec) length() int {
	n := 0
	for _, r := range s.Rows {
		n = max(n, len(r.Tokens))
	}
	return n
}

// record decodes the suffixes with logits where the loss reads them, and gives
// the row of logits of each token of each row, -1 where none.
func (v *Value) record(ctx context.Context, c *llama.Context) (*Decode, [][]int, error) {
	var b llama.Batch
	outputs := make([][]int, len(v.spec.Rows))
	last := v.spec.Layer == c.Model().Info().Layers-1
	n, length := 0, v.spec.length()
	for i, r := range v.spec.Rows {
		want := make([]bool, len(r.Tokens))
		for _, t := range r.Targets {
			want[t.At] = true
		}
		if r.KLWeight != 0 {
			want[r.KeepAt] = true
		}
		// the last layer computes only rows whose logits are read
		want[0] = want[0] || last
		outputs[i] = make([]int, len(r.Tokens))
		for j, t := range r.Tokens {
			b.Add(t, r.Position+j, r.Sequence, want[j])
			outputs[i][j] = -1
			if want[j] {
				outputs[i][j] = n
				n++
			}
		}
		for j := len(r.Tokens); j < length; j++ {
			b.Add(r.Tokens[len(r.Tokens)-1], r.Position+j, r.Sequence, false)
		}
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("%w: the loss reads no prediction", llama.ErrInvalid)
	}
	d, err := Record(ctx, c, b)
	return d, outputs, err
}

// locate finds the site's row of each sequence's edited position.
func (v *Value) locate(outputs [][]int) error {
	n := v.slice.Node(v.site)
	all := n.Ne[1] == int64(v.decode.Batch.Len())
	width := int(n.Ne[0])
	values := floats(v.decode.Value(v.slice.From[v.site]))
	at := 0
	for i := range v.spec.Rows {
		row := at
		if !all {
			row = outputs[i][0]
		}
		at += v.spec.length()
		if row < 0 || int64(row) >= n.Ne[1] {
			return fmt.Errorf("%w: the FFN output of layer %d has %d rows", llama.ErrUnsupported, v.spec.Layer, n.Ne[1])
		}
		v.rows = append(v.rows, row)
		v.clean = append(v.clean, values[row*width:(row+1)*width])
	}
	v.grad = make([]float32, len(values))
	v.row = make([]float32, width)
	return nil
}

func (v *Value) appendLoss(outputs [][]int) error {
	var terms []LossTerm
	var kls []KLTerm
	v.terms, v.klOf = make([][]int, len(v.spec.Rows)), make([]int, len(v.spec.Rows))
	first := 0
	for i, r := range v.spec.Rows {
		for _, t := range r.Targets {
			v.terms[i] = append(v.terms[i], len(terms))
			terms = append(terms, LossTerm{Row: outputs[i][t.At], Token: t.Token, Weight: r.TargetWeight})
		}
		v.klOf[i] = -1
		if r.KLWeight != 0 {
			v.klOf[i] = len(kls)
			original := make([]float32, v.slice.Node(v.slice.To[v.decode.Sites.Logits]).Ne[0])
			if err := v.decode.Context.Logits(original, first+r.KeepAt); err != nil {
				return err
			}
			kls = append(kls, KLTerm{Row: outputs[i][r.KeepAt], Weight: r.KLWeight, Original: original})
		}
		first += v.spec.length()
	}
	if len(terms) == 0 {
		// rows of one group may have no target: give the loss a term of no weight
		terms = append(terms, LossTerm{Row: 0, Token: 0})
	}
	v.loss = newLoss(&v.slice.Graph, v.slice.To[v.decode.Sites.Logits], terms, kls)
	v.outs = v.loss.buffers()
	return nil
}

// Slice is the network below the layer.
func (v *Value) Slice() *graph.Slice { return v.slice }

// Build makes the programs within memory bytes (0: no bound), with kept
// transposes where there are some.
func (v *Value) Build(ctx context.Context, t *Transposed, memory int64) error {
	var err error
	v.chain, err = NewChain(ctx, v.decode, ChainSpec{
		Slice: v.slice, Seeds: []graph.Seed{{Node: v.slice.To[v.decode.Sites.Logits], Gradient: v.loss.seed}},
		WRT: []graph.ID{v.site}, Outputs: v.loss.outputs(), Consts: append(v.loss.consts, v.consts...),
		Transposes: t.Use, Memory: memory,
	})
	v.consts, v.loss.consts = nil, nil // the chain has them
	return err
}

// Step computes for each row the mean over its targets of -log p and its KL,
// in nats, at delta [n_embd], and adds the gradient of the weighted sum to
// grad [n_embd].
func (v *Value) Step(ctx context.Context, delta, grad []float32) (nll, kl []float64, err error) {
	for i, row := range v.rows {
		for j, c := range v.clean[i] {
			v.row[j] = c + delta[j]
		}
		if err := v.chain.SetRow(v.site, row, v.row); err != nil {
			return nil, nil, err
		}
	}
	if err := v.chain.Run(ctx, v.outs, map[graph.ID][]float32{v.site: v.grad}); err != nil {
		return nil, nil, err
	}
	for _, row := range v.rows {
		for j := range grad {
			grad[j] += v.grad[row*len(grad)+j]
		}
	}
	nll, kl = v.perRow()
	return nll, kl, nil
}

func (v *Value) perRow() (nll, kl []float64) {
	termNLL, termKL := v.loss.values(v.outs)
	nll, kl = make([]float64, len(v.spec.Rows)), make([]float64, len(v.spec.Rows))
	for i, terms := range v.terms {
		for _, t := range terms {
			nll[i] += termNLL[t] / float64(len(terms))
		}
		if v.klOf[i] >= 0 {
			kl[i] = termKL[v.klOf[i]]
		}
	}
	return nll, kl
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
	return v.chain.Close()
}
