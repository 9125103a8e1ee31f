package replay

import (
	"context"
	"errors"
	"fmt"

	"retcon/graph"
	"retcon/llama"
)

// Restore is the network below a site over a whole batch, with further sites
// whose rows can be overwritten: the run from which cells of a causal trace
// are read. Rows attend to their own sequence's keys and values of this batch.
type Restore struct {
	decode  *Decode
	slice   *graph.Slice
	program *llama.Program
	site    graph.ID
	patches []graph.Patch
	logits  graph.ID
	keep    []float32
	value   []float32
}

// NewRestore cuts the network below a site of a decode whose sequences are
// whole prompts of one length.
func NewRestore(ctx context.Context, d *Decode, rows graph.Rows, site graph.ID, patched []graph.ID) (*Restore, error) {
	s, err := graph.Cut(d.Graph, []graph.ID{site}, []graph.ID{d.Sites.Logits})
	if err != nil {
		return nil, err
	}
	if err := d.keepAll(ctx, s, site); err != nil {
		return nil, err
	}
	local, consts, err := d.localise(s, rows)
	switch {
	case err == nil:
		s = local
	case !errors.Is(err, graph.ErrGraph):
		return nil, err
	}
	at := make([]graph.ID, len(patched))
	for i, p := range patched {
		if at[i] = s.To[p]; at[i] < 0 {
			return nil, fmt.Errorf("%w: %v is not below %v", llama.ErrInvalid, d.Graph.Node(p), d.Graph.Node(site))
		}
	}
	r := &Restore{decode: d}
	var to []graph.ID
	r.slice, r.patches, to = graph.Overwrite(s, at)
	for i := range consts {
		consts[i].Node = to[consts[i].Node]
	}
	r.site, r.logits = r.slice.To[site], r.slice.To[d.Sites.Logits]
	if err := r.build(site, consts); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Restore) build(site graph.ID, consts []graph.Const) error {
	var err error
	if r.program, err = r.decode.Context.NewProgram(&r.slice.Graph, []graph.ID{r.logits}); err != nil {
		return err
	}
	for _, v := range r.slice.Values {
		if r.slice.From[v] == site {
			continue // the caller sets it
		}
		if err := r.program.SetBytes(v, r.decode.Value(r.slice.From[v])); err != nil {
			return err
		}
	}
	return r.program.SetConsts(consts)
}

// Rows is the number of rows of the site, and PatchRows that of patch i.
func (r *Restore) Rows() int { return int(r.slice.Node(r.site).Ne[1]) }

// PatchRows is the number of rows of a patched site: in the last layer only
// those whose logits are read.
func (r *Restore) PatchRows(i int) int { return int(r.slice.Node(r.patches[i].Value).Ne[1]) }

// Patch sets which rows of patched site i are overwritten, and with what. Rows
// not named keep their value.
func (r *Restore) Patch(i int, rows map[int][]float32) error {
	n := r.slice.Node(r.patches[i].Value)
	width, count := int(n.Ne[0]), int(n.Ne[1])
	r.keep = append(r.keep[:0], make([]float32, count)...)
	r.value = append(r.value[:0], make([]float32, width*count)...)
	for j := range r.keep {
		r.keep[j] = 1
	}
	for j, v := range rows {
		if j < 0 || j >= count || len(v) != width {
			return fmt.Errorf("%w: row %d of %d, of %d values", llama.ErrInvalid, j, count, len(v))
		}
		r.keep[j] = 0
		copy(r.value[j*width:], v)
	}
	if err := r.program.Set(r.patches[i].Keep, r.keep); err != nil {
		return err
	}
	return r.program.Set(r.patches[i].Value, r.value)
}

// Run computes the logits [rows asked for, n_vocab] for a value of the site.
func (r *Restore) Run(ctx context.Context, site, logits []float32) error {
	if err := r.program.Set(r.site, site); err != nil {
		return err
	}
	if err := r.program.Run(ctx); err != nil {
		return err
	}
	return r.program.Read(logits, r.logits)
}

// Close frees the program.
func (r *Restore) Close() error { return r.program.Close() }
