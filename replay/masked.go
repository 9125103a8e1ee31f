package replay

import (
	"context"
	"fmt"
	"math"

	"retcon/graph"
	"retcon/llama"
)

// Masked is a recorded decode computed again with a mask of its own for each
// layer's attention: what a row sees can be cut layer by layer. With nothing
// cut it gives the decode's own logits, bit for bit.
type Masked struct {
	decode  *Decode
	slice   *graph.Slice
	program *llama.Program
	logits  graph.ID
	layers  []layerMask
	values  []float32
}

// layerMask is the mask of one layer.
type layerMask struct {
	node  graph.ID
	clean []float32 // [rows, cells], as in the decode
	width int
	cells []int64 // the cell of each row of the batch
	cut   bool    // it differs from the decode's now
}

// Edge is what one row of a batch sees of another: the row To attends to From.
type Edge struct{ From, To int }

// NewMasked builds the program. The decode's batch must hold all that its rows
// attend to. [llama.ErrUnsupported] names the layer whose attention has another
// form than a soft-max with a mask over the cache.
func NewMasked(ctx context.Context, d *Decode) (*Masked, error) {
	refuse := func(err error) error {
		return fmt.Errorf("%w: architecture %s: %w", llama.ErrUnsupported, d.Context.Model().Info().Arch, err)
	}
	at, err := graph.FindAttention(d.Graph, d.Sites)
	if err != nil {
		return nil, refuse(err)
	}
	s, err := graph.Cut(d.Graph, nil, []graph.ID{d.Sites.Logits})
	if err != nil {
		return nil, refuse(err)
	}
	softMax := make([]graph.ID, len(at))
	for i, a := range at {
		softMax[i] = s.To[a.SoftMax]
	}
	m := &Masked{decode: d}
	var masks []graph.ID
	m.slice, masks, _ = graph.OwnMasks(s, softMax)
	m.logits = m.slice.To[d.Sites.Logits]
	for i, a := range at {
		m.layers = append(m.layers, layerMask{
			node: masks[i], clean: floats(d.rec.Bytes(a.Mask)), width: int(d.Graph.Node(a.Mask).Ne[0]), cells: d.rec.Ints(a.Cells),
		})
		if !m.layers[i].seesItself() {
			return nil, refuse(fmt.Errorf("%w: attention of layer %d has a mask of another form", graph.ErrGraph, i))
		}
	}
	if err := m.build(ctx); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// seesItself checks that the mask and the cells belong together: every row
// sees its own cell.
func (l *layerMask) seesItself() bool {
	for row, cell := range l.cells {
		at := row*l.width + int(cell)
		if cell < 0 || int(cell) >= l.width || at >= len(l.clean) || math.IsInf(float64(l.clean[at]), -1) {
			return false
		}
	}
	return true
}

func (m *Masked) build(ctx context.Context) error {
	if err := m.decode.Keep(ctx, m.slice); err != nil {
		return err
	}
	var err error
	if m.program, err = m.decode.Context.NewProgram(&m.slice.Graph, []graph.ID{m.logits}); err != nil {
		return err
	}
	if err := m.decode.Load(m.program, m.slice); err != nil {
		return err
	}
	for i := range m.layers {
		if err := m.program.Set(m.layers[i].node, m.layers[i].clean); err != nil {
			return err
		}
	}
	return nil
}

// Cut takes edges, by rows of the batch, out of a layer's attention, in place
// of those that were cut there before. No row may be left with nothing to see.
func (m *Masked) Cut(layer int, edges []Edge) error {
	if layer < 0 || layer >= len(m.layers) {
		return fmt.Errorf("%w: layer %d of %d", llama.ErrInvalid, layer, len(m.layers))
	}
	l := &m.layers[layer]
	if len(edges) == 0 && !l.cut {
		return nil
	}
	m.values = append(m.values[:0], l.clean...)
	for _, e := range edges {
		if min(e.From, e.To) < 0 || max(e.From, e.To) >= len(l.cells) {
			return fmt.Errorf("%w: an edge from row %d to %d of a batch of %d", llama.ErrInvalid, e.From, e.To, len(l.cells))
		}
		m.values[e.To*l.width+int(l.cells[e.From])] = float32(math.Inf(-1))
	}
	for _, e := range edges {
		if blind(m.values[e.To*l.width:][:l.width]) {
			return fmt.Errorf("%w: nothing is left for row %d to attend to in layer %d", llama.ErrInvalid, e.To, layer)
		}
	}
	l.cut = len(edges) > 0
	return m.program.Set(l.node, m.values)
}

func blind(row []float32) bool {
	for _, v := range row {
		if !math.IsInf(float64(v), -1) {
			return false
		}
	}
	return true
}

// Run computes the logits [rows asked for, n_vocab].
func (m *Masked) Run(ctx context.Context, logits []float32) error {
	if err := m.program.Run(ctx); err != nil {
		return err
	}
	return m.program.Read(logits, m.logits)
}

// Close frees the program.
func (m *Masked) Close() error { return m.program.Close() }
