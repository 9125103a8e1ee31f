package replay

import (
	"context"
	"fmt"
	"math"

	"retcon/graph"
	"retcon/llama"
)

// Module is one of the two modules of a layer.
type Module int

// The modules of a layer; NoModule is neither.
const (
	NoModule Module = iota
	FFN
	Attention
)

// LayerSpec says how a layer of runs is to be computed.
type LayerSpec struct {
	Layer int
	// Overwrite names the module whose output at the first token of each run is
	// given instead of computed.
	Overwrite Module
	// Keep makes the layer's keys, values and module outputs readable.
	Keep bool
	// Copies, if not nil, gives weights in a faster type.
	Copies *Copies
	// Answers are tokens whose logit and probability after each run the last
	// layer gives. Without any it gives whole rows of logits.
	Answers []int32
}

// Layer is the program of one layer of [Runs]: the residual stream before it
// goes in, that after it comes out; after the last layer, logits.
type Layer struct {
	runs    *Runs
	layer   int
	program *llama.Program
	slice   *graph.Slice
	consts  []graph.Const
	in, out graph.ID
	stream  []float32             // what went in
	shared  []graph.Shared        // keys, values
	module  [3]graph.ID           // by Module
	early   map[graph.ID]graph.ID // node of the decode -> input; in layer 0 what is kept of it
	picked  map[graph.ID][]int64  // row indices whose gradient counts
	given   graph.ID              // input: the overwritten outputs [width, rows of them]
	rows    []int                 // runs whose first token is overwritten
	logit   graph.ID              // of the answers [1, answers x runs]
	prob    graph.ID              // their probabilities
}

// Layer builds the program of a layer.
func (r *Runs) Layer(ctx context.Context, spec LayerSpec) (*Layer, error) {
	if spec.Layer < 0 || spec.Layer >= len(r.slices) {
		return nil, fmt.Errorf("%w: layer %d of %d", llama.ErrInvalid, spec.Layer, len(r.slices))
	}
	l := &Layer{runs: r, layer: spec.Layer, given: graph.None, logit: graph.None, prob: graph.None}
	if err := l.rewrite(spec); err != nil {
		return nil, err
	}
	outputs := l.outputs(spec)
	if err := spec.Copies.use(ctx, &l.slice.Graph); err != nil {
		return nil, err
	}
	var err error
	if l.program, err = r.decode.Context.NewProgram(&l.slice.Graph, outputs); err != nil {
		return nil, err
	}
	if err := l.load(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// rewrite makes attention each run's own and opens the sites.
func (l *Layer) rewrite(spec LayerSpec) error {
	r := l.runs
	s := r.slices[spec.Layer]
	sites := r.decode.Sites.Layers[spec.Layer]
	causal := true
	ragged, local, err := graph.LocaliseRagged(s, r.ragged, r.decode.Known(s), r.maskOf(s, &causal))
	if err != nil {
		return err
	}
	if !causal {
		return fmt.Errorf("%w: architecture %s: a token attends to later ones", llama.ErrUnsupported, r.decode.Context.Model().Info().Arch)
	}
	if len(local.Shared) != 2 {
		return fmt.Errorf("%w: layer %d reads %d keys and values", llama.ErrUnsupported, spec.Layer, len(local.Shared))
	}
	l.slice, l.consts, l.shared, l.picked = ragged, local.Consts, local.Shared, local.Picked
	l.module = [3]graph.ID{FFN: ragged.To[sites.FFN], Attention: ragged.To[sites.Attention]}
	if spec.Overwrite != NoModule {
		l.overwrite(spec.Overwrite)
	}
	from, to := r.ends(spec.Layer)
	l.in, l.out = l.slice.To[from], l.slice.To[to]
	l.early = map[graph.ID]graph.ID{}
	for _, id := range r.early {
		if v := l.slice.To[id]; v >= 0 && id != from && l.slice.Node(v).Kind == graph.Input {
			l.early[id] = v
		}
	}
	return nil
}

// Shares is what runs take of their base in a layer: its keys and values
// [base rows x channels], and what later layers read of the embedding.
type Shares struct {
	Keys, Values []float32
	early        map[graph.ID][]float32
}

// Share sets what the runs take of their base.
func (l *Layer) Share(s *Shares) error {
	for i, data := range [][]float32{s.Keys, s.Values} {
		if l.shared[i].Base < 0 {
			continue
		}
		if err := l.program.Set(l.shared[i].Base, data); err != nil {
			return err
		}
	}
	if l.layer == 0 {
		return nil // there it is computed from the stream that goes in
	}
	for id, v := range l.early {
		data := s.early[id]
		if l.runs.source != nil {
			data = l.runs.Gather(data, len(data)/l.runs.ragged.Base)
		}
		if err := l.program.Set(v, data); err != nil {
			return err
		}
	}
	return nil
}

// Run computes the layer for a residual stream [rows x width]. given holds the
// overwritten outputs [runs overwritten x width], in order.
func (l *Layer) Run(ctx context.Context, stream, given []float32) error {
	l.stream = stream
	if err := l.program.Set(l.in, stream); err != nil {
		return err
	}
	if l.given >= 0 {
		if err := l.program.Set(l.given, given); err != nil {
			return err
		}
	}
	return l.program.Run(ctx)
}

// Overwritten lists the runs whose first token is overwritten: in the last
// layer, where only last tokens are left, those that begin there.
func (l *Layer) Overwritten() []int { return l.rows }

// Stream reads the residual stream after the layer, or, after the last one,
// the logits [runs x n_vocab].
func (l *Layer) Stream() ([]float32, error) { return l.read(l.out) }

// StreamTo is Stream into dst.
func (l *Layer) StreamTo(dst []float32) error { return l.program.Read(dst, l.out) }

// Answers reads the logits and probabilities of the answers, run by run.
func (l *Layer) Answers() (logits, probs []float32, err error) {
	if logits, err = l.read(l.logit); err != nil {
		return nil, nil, err
	}
	probs, err = l.read(l.prob)
	return logits, probs, err
}

// Output reads a module's outputs [rows x width]; in the last layer the FFN's
// are those of the runs' last tokens.
func (l *Layer) Output(m Module) ([]float32, error) { return l.read(l.module[m]) }

func (l *Layer) read(id graph.ID) ([]float32, error) {
	dst := make([]float32, l.slice.Node(id).Elements())
	return dst, l.program.Read(dst, id)
}

// Shares reads what runs on this base take of it. before is that of layer 0,
// whose other values hold for every layer; nil in layer 0 itself.
func (l *Layer) Shares(before *Shares) (*Shares, error) {
	s := &Shares{early: map[graph.ID][]float32{}}
	var err error
	if s.Keys, err = l.read(l.shared[0].Own); err != nil {
		return nil, err
	}
	if s.Values, err = l.read(l.shared[1].Own); err != nil {
		return nil, err
	}
	if before != nil {
		s.early = before.early
		return s, nil
	}
	for _, id := range l.runs.early {
		if v, ok := l.early[id]; !ok {
			s.early[id] = l.stream // the embedding itself
		} else if s.early[id], err = l.read(v); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close frees the program.
func (l *Layer) Close() error {
	if l == nil {
		return nil
	}
	return l.program.Close()
}

// maskOf gives the mask of one whole run, [padded, T], out of the decode of one.
func (r *Runs) maskOf(s *graph.Slice, causal *bool) func(graph.ID) []float32 {
	return func(id graph.ID) []float32 {
		from := s.From[id]
		values := floats(r.whole.Value(from))
		width := int(r.whole.Graph.Node(from).Ne[0])
		cells := r.whole.Batch.Len() // a batch in an empty cache takes the first cells in order
		hidden := float32(math.Inf(-1))
		out := make([]float32, 0, r.ragged.Padded*cells)
		for i := range cells {
			for j := range cells {
				v := values[i*width+j]
				*causal = *causal && (j <= i || v == hidden)
				out = append(out, v)
			}
			for range r.ragged.Padded - cells {
				out = append(out, hidden)
			}
		}
		return out
	}
}

// overwrite replaces the rows of a module's output at the first token of each
// run. The last layer holds the last token alone.
func (l *Layer) overwrite(m Module) {
	r := l.runs
	site := l.module[m]
	whole := l.slice.Node(site).Ne[1] == int64(r.Rows())
	var at []int64
	for i, start := range r.starts {
		switch {
		case whole:
			at = append(at, int64(start))
		case r.last(i) == start:
			at = append(at, int64(i))
		default:
			continue
		}
		l.rows = append(l.rows, i)
	}
	if len(at) == 0 {
		return
	}
	out, over, to := graph.OverwriteRows(l.slice, site, len(at))
	l.slice, l.given = out, over.Value
	for i := range l.consts {
		l.consts[i].Node = to[l.consts[i].Node]
	}
	l.consts = append(l.consts, graph.Const{Node: over.Rows, I64: at})
	for i, x := range l.shared {
		l.shared[i].Own = to[x.Own]
		if x.Base >= 0 {
			l.shared[i].Base = to[x.Base]
		}
	}
	for m := FFN; m <= Attention; m++ {
		l.module[m] = to[l.module[m]]
	}
}

// outputs are the nodes that can be read after a run.
func (l *Layer) outputs(spec LayerSpec) []graph.ID {
	b := graph.Builder{Graph: &l.slice.Graph}
	if l.last() && len(spec.Answers) > 0 {
		return l.answers(b, spec.Answers)
	}
	out := []graph.ID{l.out}
	if !spec.Keep {
		return out
	}
	for i := range l.shared {
		l.shared[i].Own = b.Own(l.shared[i].Own)
	}
	for m := FFN; m <= Attention; m++ {
		l.module[m] = b.Own(l.module[m])
		out = append(out, l.module[m])
	}
	for _, id := range l.runs.early {
		if v := l.slice.To[id]; l.layer == 0 && v >= 0 && v != l.in {
			l.early[id] = b.Own(v)
			out = append(out, l.early[id])
		}
	}
	return append(out, l.shared[0].Own, l.shared[1].Own)
}

// answers appends the tokens' logits and probabilities, run by run.
func (l *Layer) answers(b graph.Builder, tokens []int32) []graph.ID {
	ne := b.Node(l.out).Ne
	var at []int32
	for run := range ne[1] {
		for _, t := range tokens {
			at = append(at, int32(run*ne[0]+int64(t)))
		}
	}
	idx := b.Input(graph.I32, graph.Shape2(int64(len(at)), 1), "answers")
	l.consts = append(l.consts, graph.Const{Node: idx, I32: at})
	flat := graph.Shape2(1, ne[0]*ne[1])
	l.logit = b.GetRows(b.Reshape(l.out, flat), idx)
	l.prob = b.GetRows(b.Reshape(b.SoftMax(l.out), flat), idx)
	return []graph.ID{l.logit, l.prob}
}

func (l *Layer) last() bool { return l.layer == len(l.runs.slices)-1 }

// load sets the inputs that are the same in every run: the decode's own, the
// masks and the rows.
func (l *Layer) load() error {
	r := l.runs
	from, _ := r.ends(l.layer)
	for _, v := range l.slice.Values {
		id := l.slice.From[v]
		if l.early[id] == v && v > 0 || id == from {
			continue
		}
		if err := l.program.SetBytes(v, r.decode.Value(id)); err != nil {
			return err
		}
	}
	return l.program.SetConsts(l.consts)
}
