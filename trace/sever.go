package trace

import (
	"context"

	"retcon/graph"
	"retcon/replay"
)

// sever restores the state of the subject's last token behind each layer,
// alone and with one kind of module held to its corrupted outputs there, at
// every layer. One program serves all layers: the whole network below the
// embedding, every residual stream and module output overwritable.
func (t *tracer) sever(ctx context.Context, threads int) (*Severed, error) {
	samples := len(t.cfg.Noise)
	c, err := t.context(threads, samples, false)
	if err != nil {
		return nil, err
	}
	t.close()
	if t.decode, err = replay.Record(ctx, c, wholeRuns(t.prompt, samples, false)); err != nil {
		c.Close()
		return nil, err
	}
	s := &Severed{}
	if s.Single, err = t.severed(ctx, nil, nil); err != nil {
		return nil, err
	}
	if s.MLPSevered, err = t.severed(ctx, moduleSites(t.decode.Sites, 0, t.layers, false), t.pinned.ffn); err != nil {
		return nil, err
	}
	s.AttnSevered, err = t.severed(ctx, moduleSites(t.decode.Sites, 0, t.layers, true), t.pinned.attn)
	return s, err
}

// severed gives the answer's probability with the state behind each layer
// restored, modules at the sites held to values.
func (t *tracer) severed(ctx context.Context, modules []graph.ID, values [][]float32) ([]float64, error) {
	samples := len(t.cfg.Noise)
	var residuals []graph.ID
	for _, l := range t.decode.Sites.Layers {
		residuals = append(residuals, l.Residual)
	}
	r, err := replay.NewRestore(ctx, t.decode, t.rows(samples), t.decode.Sites.Embedding, append(residuals, modules...))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	token := t.prompt.End - 1
	patch := func(i int, value func(sample int) []float32) error {
		rows := map[int][]float32{}
		for s := range samples {
			if row, ok := t.rowOf(r, i, s, token); ok && value != nil {
				rows[row] = value(s)
			}
		}
		return r.Patch(i, rows)
	}
	for i := range t.layers {
		if err := patch(i, nil); err != nil {
			return nil, err
		}
		if modules == nil {
			continue
		}
		if err := patch(t.layers+i, func(s int) []float32 { return t.pinned.row(values[i], s+1, token) }); err != nil {
			return nil, err
		}
	}
	x := t.corrupted(t.base.embedding, 1)
	var out []float64
	for l := range t.layers {
		if err := patch(l, func(int) []float32 { return t.base.row(t.base.residual[l], 0, token) }); err != nil {
			return nil, err
		}
		p, err := t.read(ctx, r, x)
		if err != nil {
			return nil, err
		}
		out = append(out, p[0])
		if err := patch(l, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}
