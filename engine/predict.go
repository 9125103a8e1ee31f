package engine

import (
	"context"
	"fmt"

	"retcon/llama"
	"retcon/lm"
)

var _ lm.Predictor = (*Model)(nil)

// Predict scores the tails of rows. Rows are decoded together, tokens that
// begin several of them once.
func (m *Model) Predict(ctx context.Context, rows []lm.Scored) ([][]lm.Prediction, error) {
	out := make([][]lm.Prediction, len(rows))
	for i, r := range rows {
		if r.From < 1 || r.From > len(r.Tokens) {
			return nil, fmt.Errorf("%w: row %d of %d tokens scored from %d", llama.ErrInvalid, i, len(r.Tokens), r.From)
		}
		out[i] = make([]lm.Prediction, len(r.Tokens)-r.From)
	}
	for begin := 0; begin < len(rows); {
		t, end := growTree(rows, begin)
		if err := m.predictTree(ctx, t, out[begin:end]); err != nil {
			return nil, err
		}
		begin = end
	}
	return out, nil
}

// growTree makes the tree of as many rows from begin on as a context has
// sequences for.
func growTree(rows []lm.Scored, begin int) (t *tree, end int) {
	end = min(len(rows), begin+batchRows) // a row has one leaf at most
	return treeOf(rows[begin:end]), end
}

// predictTree decodes a tree and fills in its predictions.
func (m *Model) predictTree(ctx context.Context, t *tree, out [][]lm.Prediction) error {
	if t.tokens() == 0 {
		return nil
	}
	c, err := m.contextFor(t.tokens())
	if err != nil {
		return err
	}
	d := treeDecoder{m: m, c: c, out: out}
	err = t.walk(func(b *branch, sequences []int32) error {
		if d.batch.Len() == batchTokens || len(b.asked) > 0 && d.outputs == outputRows {
			if err := d.flush(ctx); err != nil {
				return err
			}
		}
		d.batch.AddShared(b.token, int(b.depth), sequences, len(b.asked) > 0)
		if len(b.asked) > 0 {
			d.outputs++
		}
		for _, a := range b.asked {
			d.at, d.tokens, d.asked = append(d.at, int32(d.batch.Len()-1)), append(d.tokens, a.token), append(d.asked, a)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.flush(ctx)
}

// treeDecoder collects tokens into batches and reads predictions of each.
type treeDecoder struct {
	m          *Model // whose added neurons count
	c          *llama.Context
	batch      llama.Batch
	outputs    int // rows of logits of the batch
	at, tokens []int32
	asked      []asked
	out        [][]lm.Prediction
}

func (d *treeDecoder) flush(ctx context.Context) error {
	if d.batch.Len() == 0 {
		return nil
	}
	if err := d.m.decode(ctx, d.c, &d.batch); err != nil {
		return err
	}
	logs, first, err := d.c.Predictions(d.at, d.tokens)
	if err != nil {
		return err
	}
	for i, a := range d.asked {
		d.out[a.row][a.at] = lm.Prediction{LogProb: logs[i], First: first[i]}
	}
	d.batch.Reset()
	d.outputs, d.at, d.tokens, d.asked = 0, d.at[:0], d.tokens[:0], d.asked[:0]
	return nil
}
