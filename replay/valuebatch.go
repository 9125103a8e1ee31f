package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"retcon/graph"
	"retcon/llama"
)

// valueBatch is one batch of a Value: its slice, inputs and loss.
type valueBatch struct {
	rows    []ValueRow
	decode  *Decode
	outputs [][]int // row of logits of each token of each row, -1: none
	slice   *graph.Slice
	site    graph.ID
	at      []int // row of the site for each row
	clean   [][]float32
	keys    [][]float32 // what the layer's down-projection has there; nil: not known
	local   bool
	consts  []graph.Const // inputs of attention in its local form
	// prefixes are more of them: keys and values of earlier tokens, which are
	// read from the cache when the batch's turn comes.
	prefixes []graph.Prefix
	loss     *loss
	terms    [][]int // terms of the loss of each row
	klOf     []int   // KL term of each row, -1: none
	settled  bool    // the KL terms know what is to stay
	outs     map[graph.ID][]float32
}

// newBatch records a batch's decode without running it, and computes what its
// slice begins with. known collects the row indices that the slice's form and
// its gradient's depend on.
func (v *Value) newBatch(ctx context.Context, c *llama.Context, rows []ValueRow, known map[graph.ID][]int64) (*valueBatch, error) {
	b := &valueBatch{rows: rows}
	last := v.spec.Layer == c.Model().Info().Layers-1
	batch, err := b.layOut(v.spec.length(), last)
	if err != nil {
		return nil, err
	}
	if b.decode, err = sketched(ctx, c, batch); err != nil {
		return nil, err
	}
	d := b.decode
	site := d.Sites.Layers[v.spec.Layer].FFN
	if b.slice, err = graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits}); err != nil {
		return nil, err
	}
	if err := b.keep(ctx, v.spec.Layer, v.spec.Copies); err != nil {
		return nil, err
	}
	if d.rec.Computed {
		if err := d.Rewind(); err != nil {
			return nil, err
		}
	}
	b.site = b.slice.To[site]
	if err := b.locate(v.spec); err != nil {
		return nil, err
	}
	if !v.spec.unified {
		if err := b.localise(v.spec); err != nil {
			return nil, err
		}
		b.site = b.slice.To[site]
	}
	b.note(known)
	return b, b.appendLoss()
}

// layOut makes the llama.cpp batch, with logits where the loss reads them.
func (b *valueBatch) layOut(length int, last bool) (llama.Batch, error) {
	var out llama.Batch
	n := 0
	for _, r := range b.rows {
		want := make([]bool, len(r.Tokens))
		for _, t := range r.Targets {
			want[t.At] = true
		}
		if r.KLWeight != 0 {
			want[r.KeepAt] = true
		}
		// the last layer computes only rows whose logits are read
		want[0] = want[0] || last
		outputs := make([]int, len(r.Tokens))
		for j, t := range r.Tokens {
			out.Add(t, r.Position+j, r.Sequence, want[j])
			outputs[j] = -1
			if want[j] {
				outputs[j] = n
				n++
			}
		}
		b.outputs = append(b.outputs, outputs)
		for j := len(r.Tokens); j < length; j++ {
			out.Add(r.Tokens[len(r.Tokens)-1], r.Position+j, r.Sequence, false)
		}
	}
	if n == 0 {
		return out, fmt.Errorf("%w: the loss reads no prediction", llama.ErrInvalid)
	}
	return out, nil
}

// keep has the values that the slice begins with: by a program as far as they
// go, or by a decode where they are not plain.
func (b *valueBatch) keep(ctx context.Context, layer int, copies *Copies) error {
	d := b.decode
	var want []graph.ID
	for _, v := range b.slice.Values {
		id := b.slice.From[v]
		n := d.Graph.Node(id)
		if n.Kind != graph.Computed {
			continue
		}
		if n.Type != graph.F32 || !n.Contiguous() || d.rec.Computed {
			if err := d.Keep(ctx, b.slice); err != nil {
				return err
			}
			return d.Rewind()
		}
		want = append(want, id)
	}
	// the site's own input is on the way
	asked := slices.ContainsFunc(b.rows, func(r ValueRow) bool { return r.Key })
	if key := d.Sites.Layers[layer].Key; asked && !slices.Contains(want, key) && d.Graph.Node(key).Type == graph.F32 && d.Graph.Node(key).Contiguous() {
		want = append(want, key)
	}
	return d.compute(ctx, nil, copies, want)
}

// localise lets rows attend to their own sequence only, where the model's
// attention has a form that allows it.
func (b *valueBatch) localise(spec ValueSpec) error {
	rows := graph.Rows{Sequences: len(b.rows), Length: spec.length(), Prefix: spec.prefix()}
	s, local, err := b.decode.localise(b.slice, rows)
	if errors.Is(err, graph.ErrGraph) {
		return nil
	}
	if err != nil {
		return err
	}
	b.slice, b.consts, b.prefixes, b.local = s, local.Consts, local.Prefixes, true
	return nil
}

// locate finds the site's row of each sequence's edited position.
func (b *valueBatch) locate(spec ValueSpec) error {
	n := b.slice.Node(b.site)
	all := n.Ne[1] == int64(b.decode.Batch.Len())
	width := int(n.Ne[0])
	values := floats(b.decode.Value(b.slice.From[b.site]))
	key := b.decode.Sites.Layers[spec.Layer].Key
	keys, long := floats(b.decode.Value(key)), int(b.decode.Graph.Node(key).Ne[0])
	for i := range b.rows {
		row := i * spec.length()
		if !all {
			row = b.outputs[i][0]
		}
		if row < 0 || int64(row) >= n.Ne[1] {
			return fmt.Errorf("%w: the FFN output of layer %d has %d rows", llama.ErrUnsupported, spec.Layer, n.Ne[1])
		}
		b.at = append(b.at, row)
		b.clean = append(b.clean, values[row*width:(row+1)*width])
		b.keys = append(b.keys, nil)
		if b.rows[i].Key && len(keys) == long*int(n.Ne[1]) {
			b.keys[i] = slices.Clone(keys[row*long : (row+1)*long])
		}
	}
	return nil
}

// note collects the row indices with which the slice picks and places rows of
// other nodes than the cache.
func (b *valueBatch) note(known map[graph.ID][]int64) {
	read := b.decode.Known(b.slice)
	for i := range b.slice.Nodes {
		n := &b.slice.Nodes[i]
		if n.Kind != graph.Computed || n.Op != graph.OpGetRows && n.Op != graph.OpSetRows || b.slice.Node(b.slice.Root(graph.ID(i))).Kind == graph.Cache {
			continue
		}
		if rows := read(n.Src[1]); rows != nil && known[graph.ID(i)] == nil {
			known[graph.ID(i)] = rows
		}
	}
}

// like reports, as ErrUneven, a batch that the program of another cannot serve.
func (b *valueBatch) like(first *valueBatch, known map[graph.ID][]int64) error {
	if err := sameGraph(&first.slice.Graph, &b.slice.Graph); err != nil {
		return fmt.Errorf("%w: %w", ErrUneven, err)
	}
	own := map[graph.ID][]int64{}
	b.note(own)
	for id, rows := range own {
		if !slices.Equal(rows, known[id]) {
			return fmt.Errorf("%w: %v has other rows", ErrUneven, b.slice.Node(id))
		}
	}
	if b.local != first.local || !slices.Equal(b.at, first.at) {
		return ErrUneven
	}
	return nil
}

func (b *valueBatch) appendLoss() error {
	var terms []LossTerm
	var kls []KLTerm
	b.terms, b.klOf = make([][]int, len(b.rows)), make([]int, len(b.rows))
	for i, r := range b.rows {
		for _, t := range r.Targets {
			b.terms[i] = append(b.terms[i], len(terms))
			terms = append(terms, LossTerm{Row: b.outputs[i][t.At], Token: t.Token, Weight: r.TargetWeight})
		}
		b.klOf[i] = -1
		if r.KLWeight != 0 {
			b.klOf[i] = len(kls)
			kls = append(kls, KLTerm{Row: b.outputs[i][r.KeepAt], Weight: r.KLWeight})
		}
	}
	if len(terms) == 0 {
		// rows of one group may have no target: give the loss a term of no weight
		terms = append(terms, LossTerm{Row: 0, Token: 0})
	}
	b.loss = newLoss(&b.slice.Graph, b.slice.To[b.decode.Sites.Logits], terms, kls)
	b.outs = b.loss.buffers()
	return nil
}

// perRow are the losses of each row after a run.
func (b *valueBatch) perRow() (nll, kl []float64) {
	termNLL, termKL := b.loss.values(b.outs)
	nll, kl = make([]float64, len(b.rows)), make([]float64, len(b.rows))
	for i, terms := range b.terms {
		for _, t := range terms {
			nll[i] += termNLL[t] / float64(len(terms))
		}
		if b.klOf[i] >= 0 {
			kl[i] = termKL[b.klOf[i]]
		}
	}
	return nll, kl
}
