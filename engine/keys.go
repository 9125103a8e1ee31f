package engine

import (
	"context"
	"fmt"
	"runtime/debug"

	"retcon/llama"
	"retcon/lm"
	"retcon/replay"
)

func (m *Model) checkLayer(layer int) error {
	if layer < 0 || layer >= m.info.Layers {
		return fmt.Errorf("%w: layer %d of a model of %d", llama.ErrInvalid, layer, m.info.Layers)
	}
	return nil
}

// Keys reads keys and values in a decode that stops after the layer. What
// follows a row's position cannot change them and is not decoded.
func (m *Model) Keys(ctx context.Context, layer int, rows []lm.Row) (keys, values [][]float32, err error) {
	if err := m.checkLayer(layer); err != nil {
		return nil, nil, err
	}
	for i, r := range rows {
		if r.At < 0 || r.At >= len(r.Tokens) {
			return nil, nil, fmt.Errorf("%w: position %d of row %d of %d tokens", llama.ErrInvalid, r.At, i, len(r.Tokens))
		}
	}
	for begin := 0; begin < len(rows); {
		end, tokens := begin, 0
		for end < len(rows) && end-begin < batchRows {
			n := rows[end].At + 1
			if end > begin && tokens+n > batchTokens {
				break
			}
			tokens, end = tokens+n, end+1
		}
		k, v, err := m.keyGroup(ctx, layer, rows[begin:end], tokens)
		if err != nil {
			return nil, nil, err
		}
		keys, values = append(keys, k...), append(values, v...)
		begin = end
	}
	return keys, values, nil
}

// keyGroup computes few rows by a program. Others' tokens are decoded plainly
// but for the positions asked for, each sequence's last, which are decoded with
// hooks.
func (m *Model) keyGroup(ctx context.Context, layer int, rows []lm.Row, tokens int) (keys, values [][]float32, err error) {
	c, err := m.contextFor(tokens)
	if err != nil {
		return nil, nil, err
	}
	if tokens <= batchTokens {
		keys, values, ok, err := replay.Keys(ctx, c, wholeBatch(heads(rows)), layer, m.passCopies(c, 0))
		if ok || err != nil {
			return keys, values, err
		}
		c.Clear()
	}
	var b llama.Batch
	for seq, r := range rows {
		for pos, t := range r.Tokens[:r.At] {
			if b.Len() == batchTokens {
				if err := m.decodeTo(ctx, c, &b, layer); err != nil {
					return nil, nil, err
				}
				b.Reset()
			}
			b.Add(t, pos, seq, false)
		}
	}
	if err := m.decodeTo(ctx, c, &b, layer); err != nil {
		return nil, nil, err
	}
	b.Reset()
	at := make([]int32, len(rows))
	for seq, r := range rows {
		// the last layer computes only rows whose logits are read
		b.Add(r.Tokens[r.At], r.At, seq, true)
		at[seq] = int32(seq)
	}
	key := llama.Hook{Place: m.places.key[layer], Width: m.info.FeedForward[layer], Rows: at}
	key.Data = make([]float32, len(rows)*key.Width)
	value := llama.Hook{Place: m.places.ffn[layer], Width: m.info.Width, Rows: at}
	value.Data = make([]float32, len(rows)*value.Width)
	hooks := []llama.Hook{key, value}
	if err := c.DecodeUntil(ctx, &b, hooks); err != nil {
		return nil, nil, err
	}
	for i := range rows {
		keys = append(keys, key.Data[i*key.Width:(i+1)*key.Width])
		values = append(values, value.Data[i*value.Width:(i+1)*value.Width])
	}
	return keys, values, nil
}

// passCopies is room for the copies of a program of many rows.
func (m *Model) passCopies(c *llama.Context, budget int64) *replay.Copies {
	return replay.NewCopies(c, replay.ThisProcessor().Pass(), budget)
}

// heads is rows up to their positions.
func heads(rows []lm.Row) [][]int32 {
	out := make([][]int32, len(rows))
	for i, r := range rows {
		out[i] = r.Tokens[:r.At+1]
	}
	return out
}

// decodeTo decodes a batch as far as a layer's FFN output; what comes after
// it is not computed, or not to be relied on.
func (m *Model) decodeTo(ctx context.Context, c *llama.Context, b *llama.Batch, layer int) error {
	if b.Len() == 0 {
		return nil
	}
	if layer == m.info.Layers-1 {
		return c.Decode(ctx, b) // its FFN holds rows of logits only, and there are none
	}
	passed := llama.Hook{Place: m.places.ffn[layer], Width: m.info.Width, Rows: []int32{0}, Data: make([]float32, m.info.Width)}
	return c.DecodeUntil(ctx, b, []llama.Hook{passed})
}

// Moments sums k kᵀ over the tokens of texts; a text longer than 512 tokens is
// cut there.
func (m *Model) Moments(ctx context.Context, layer int, texts [][]int32, progress func(keys int64)) (lm.Moments, error) {
	if err := m.checkLayer(layer); err != nil {
		return nil, err
	}
	pieces, longest := cut(texts, batchTokens)
	if len(pieces) == 0 {
		return nil, fmt.Errorf("%w: no text to take keys from", llama.ErrInvalid)
	}
	rows := max(1, min(batchTokens/longest, batchRows))
	defer debug.FreeOSMemory() // the factor is as large as what was held
	m.closeScratch()
	m.closeKept()
	c, err := m.newContext(llama.ContextParams{Cells: rows * longest, Batch: rows * longest, Outputs: 1, Sequences: rows})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	copies := m.passCopies(c, m.opts.Memory/4)
	defer copies.Drop()
	sum, err := replay.NewMoments(ctx, c, layer, rows, longest, copies)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(pieces); i += rows {
		if err := sum.Add(ctx, pieces[i:min(i+rows, len(pieces))]); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(sum.Count())
		}
	}
	return sum.Sums()
}

// cut splits texts into pieces of at most n tokens and gives the longest's length.
func cut(texts [][]int32, n int) (pieces [][]int32, longest int) {
	for _, t := range texts {
		for len(t) > 0 {
			k := min(len(t), n)
			pieces = append(pieces, t[:k])
			longest = max(longest, k)
			t = t[k:]
		}
	}
	return pieces, longest
}
