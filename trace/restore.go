package trace

import (
	"context"

	"retcon/graph"
	"retcon/replay"
)

// corrupted fills site with the corrupted runs' values, each sample once for
// every restored token: run i·samples+s is sample s with token i restored.
func (t *tracer) corrupted(values []float32, repeats int) []float32 {
	samples := len(t.cfg.Noise)
	n := t.base.tokens * t.base.width
	out := make([]float32, 0, repeats*samples*n)
	for range repeats {
		out = append(out, values[n:(samples+1)*n]...)
	}
	return out
}

// hiddenLayer restores the state behind a layer, one token a run.
func (t *tracer) hiddenLayer(ctx context.Context, layer int) ([]float64, error) {
	if layer == t.layers-1 {
		// nothing but the last token is read behind the last layer
		out := make([]float64, len(t.tokens))
		for i, token := range t.tokens {
			out[i] = t.base.pCorrupted
			if token == t.base.tokens-1 {
				out[i] = t.base.pClean
			}
		}
		return out, nil
	}
	r, err := replay.NewRestore(ctx, t.decode, t.rows(len(t.tokens)*len(t.cfg.Noise)), t.decode.Sites.Layers[layer].Residual, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	x := t.corrupted(t.base.residual[layer], len(t.tokens))
	samples := len(t.cfg.Noise)
	for i, token := range t.tokens {
		for s := range samples {
			copy(x[((i*samples+s)*t.base.tokens+token)*t.base.width:], t.base.row(t.base.residual[layer], 0, token))
		}
	}
	return t.read(ctx, r, x)
}

// windowAt restores a module's outputs in the window around a layer,
// [layer - w/2, layer + w - w/2) clipped to the model.
func (t *tracer) windowAt(ctx context.Context, layer int, attention bool) ([]float64, error) {
	begin, end := max(0, layer-t.cfg.Window/2), min(t.layers, layer+t.cfg.Window-t.cfg.Window/2)
	site, start := t.decode.Sites.Embedding, t.base.embedding
	if begin > 0 {
		site, start = t.decode.Sites.Layers[begin-1].Residual, t.base.residual[begin-1]
	}
	values := t.base.ffn
	if attention {
		values = t.base.attn
	}
	r, err := replay.NewRestore(ctx, t.decode, t.rows(len(t.tokens)*len(t.cfg.Noise)), site, moduleSites(t.decode.Sites, begin, end, attention))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for l := begin; l < end; l++ {
		rows := map[int][]float32{}
		samples := len(t.cfg.Noise)
		for i, token := range t.tokens {
			for s := range samples {
				if row, ok := t.rowOf(r, l-begin, i*samples+s, token); ok {
					rows[row] = t.base.row(values[l], 0, token)
				}
			}
		}
		if err := r.Patch(l-begin, rows); err != nil {
			return nil, err
		}
	}
	return t.read(ctx, r, t.corrupted(start, len(t.tokens)))
}

func moduleSites(s *graph.Sites, begin, end int, attention bool) []graph.ID {
	var out []graph.ID
	for _, l := range s.Layers[begin:end] {
		if attention {
			out = append(out, l.Attention)
		} else {
			out = append(out, l.FFN)
		}
	}
	return out
}

// rowOf is the row of a patched site for a token of a run; in the last layer
// only the last token has one.
func (t *tracer) rowOf(r *replay.Restore, patch, run, token int) (int, bool) {
	n := t.base.tokens
	runs := len(t.decode.Batch.Tokens) / n
	if r.PatchRows(patch) == runs*n {
		return run*n + token, true
	}
	return run, token == n-1
}

// read runs and gives the answer's probability for each restored token, the
// mean over the samples.
func (t *tracer) read(ctx context.Context, r *replay.Restore, site []float32) ([]float64, error) {
	samples := len(t.cfg.Noise)
	vocab := t.model.Info().Vocab
	runs := len(t.decode.Batch.Tokens) / t.base.tokens
	logits := make([]float32, runs*vocab)
	if err := r.Run(ctx, site, logits); err != nil {
		return nil, err
	}
	out := make([]float64, runs/samples)
	for i := range out {
		sum := 0.0
		for s := range samples {
			run := i*samples + s
			sum += probability(logits[run*vocab:(run+1)*vocab], t.base.clean)
		}
		out[i] = sum / float64(samples)
	}
	return out, nil
}
