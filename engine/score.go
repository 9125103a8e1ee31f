package engine

import (
	"context"
	"fmt"

	"retcon/llama"
	"retcon/lm"
)

// LogProbs scores the tails of rows, several rows in one batch.
func (m *Model) LogProbs(ctx context.Context, rows []lm.Scored) ([][]float64, error) {
	out := make([][]float64, len(rows))
	for i, r := range rows {
		if r.From < 1 || r.From > len(r.Tokens) {
			return nil, fmt.Errorf("%w: row %d of %d tokens scored from %d", llama.ErrInvalid, i, len(r.Tokens), r.From)
		}
		out[i] = make([]float64, 0, len(r.Tokens)-r.From)
	}
	for begin := 0; begin < len(rows); {
		end, tokens, outputs := begin, 0, 0
		for end < len(rows) && end-begin < batchRows {
			n, o := len(rows[end].Tokens), len(rows[end].Tokens)-rows[end].From
			if end > begin && (tokens+n > batchTokens || outputs+o > outputRows) {
				break
			}
			tokens, outputs, end = tokens+n, outputs+o, end+1
		}
		if err := m.scoreGroup(ctx, rows[begin:end], out[begin:end], tokens); err != nil {
			return nil, err
		}
		begin = end
	}
	return out, nil
}

func (m *Model) scoreGroup(ctx context.Context, rows []lm.Scored, out [][]float64, tokens int) error {
	c, err := m.contextFor(tokens)
	if err != nil {
		return err
	}
	d := decoder{m: m, c: c}
	for seq, r := range rows {
		// the last token predicts nothing that is asked for
		for pos, t := range r.Tokens[:len(r.Tokens)-1] {
			var then func(i int) error
			if pos+1 >= r.From {
				then = d.score(r.Tokens[pos+1], &out[seq])
			}
			if err := d.add(ctx, t, pos, seq, then); err != nil {
				return err
			}
		}
	}
	return d.flush(ctx)
}

// decoder collects tokens into batches and calls back for each row of logits.
type decoder struct {
	m     *Model // whose added neurons count, nil for none
	c     *llama.Context
	batch llama.Batch
	then  []func(i int) error // one a row of logits
	at    []int
}

// add appends a token; then, if not nil, is called with its index in the batch
// once its logits are there.
func (d *decoder) add(ctx context.Context, token int32, pos, seq int, then func(i int) error) error {
	if d.batch.Len() == min(batchTokens, d.c.Params().Batch) || then != nil && len(d.then) == outputRows {
		if err := d.flush(ctx); err != nil {
			return err
		}
	}
	d.batch.Add(token, pos, seq, then != nil)
	if then != nil {
		d.then = append(d.then, then)
		d.at = append(d.at, d.batch.Len()-1)
	}
	return nil
}

func (d *decoder) flush(ctx context.Context) error {
	if d.batch.Len() == 0 {
		return nil
	}
	if err := d.m.decode(ctx, d.c, &d.batch); err != nil {
		return err
	}
	for i, then := range d.then {
		if err := then(d.at[i]); err != nil {
			return err
		}
	}
	d.batch.Reset()
	d.then, d.at = d.then[:0], d.at[:0]
	return nil
}

// score appends log p(token) after the row in hand to dst.
func (d *decoder) score(token int32, dst *[]float64) func(i int) error {
	return func(i int) error {
		lp, err := d.c.LogProbs([]int32{int32(i)}, []int32{token})
		if err != nil {
			return err
		}
		*dst = append(*dst, lp[0])
		return nil
	}
}

// Logits decodes tokens and hands on the logits after each.
func (m *Model) Logits(ctx context.Context, tokens []int32, fn func(pos int, logits []float32) error) error {
	c, err := m.contextFor(len(tokens))
	if err != nil {
		return err
	}
	d := decoder{m: m, c: c}
	logits := make([]float32, m.info.Vocab)
	for pos, t := range tokens {
		then := func(i int) error {
			if err := c.Logits(logits, i); err != nil {
				return err
			}
			return fn(pos, logits)
		}
		if err := d.add(ctx, t, pos, 0, then); err != nil {
			return err
		}
	}
	return d.flush(ctx)
}
