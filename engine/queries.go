package engine

import (
	"context"
	"fmt"
	"slices"

	"retcon/llama"
	"retcon/replay"
)

const (
	queryLogits = 64 << 20 // bytes of logits of the one decode that asks for all
	queryLength = 128      // tokens of a text that are run alone
)

// Queries runs texts a chunk at a time; a text longer than 128 tokens is cut
// there.
func (m *Model) Queries(ctx context.Context, texts [][]int32, fn func(text, pos int, q []float32) error) error {
	if _, err := m.LastNetwork(ctx); err != nil {
		return err
	}
	type piece struct{ text, at int }
	var pieces []piece
	longest := 0
	most := max(1, min(queryLength, queryLogits/4/m.info.Vocab))
	for i, t := range texts {
		for at := 0; at < len(t); at += most {
			pieces = append(pieces, piece{i, at})
			longest = max(longest, min(most, len(t)-at))
		}
	}
	if len(pieces) == 0 {
		return nil
	}
	rows := max(1, min(queryLogits/4/m.info.Vocab/longest, batchTokens/longest, batchRows))
	m.closeScratch()
	c, err := m.newContext(llama.ContextParams{Cells: rows * longest, Batch: rows * longest, Outputs: rows * longest, Sequences: rows})
	if err != nil {
		return err
	}
	defer c.Close()
	copies := m.passCopies(c, m.opts.Memory/4)
	defer copies.Drop()
	q, err := replay.NewQueries(ctx, c, rows, longest, copies)
	if err != nil {
		return err
	}
	defer q.Close()
	out := make([]float32, rows*longest*q.Width())
	for begin := 0; begin < len(pieces); begin += rows {
		group := pieces[begin:min(begin+rows, len(pieces))]
		chunk := make([][]int32, len(group))
		for i, p := range group {
			chunk[i] = texts[p.text][p.at:min(p.at+most, len(texts[p.text]))]
		}
		if err := q.Run(ctx, chunk, out); err != nil {
			return err
		}
		for i, p := range group {
			for j := range chunk[i] {
				if err := fn(p.text, p.at+j, out[(i*longest+j)*q.Width():][:q.Width()]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// LastQueries computes the query of each row's last token.
func (m *Model) LastQueries(ctx context.Context, rows [][]int32) ([][]float32, error) {
	if _, err := m.LastNetwork(ctx); err != nil {
		return nil, err
	}
	out := make([][]float32, len(rows))
	order := make([]int, len(rows)) // like lengths beside each other: shorter rows are filled up
	for i, r := range rows {
		if order[i] = i; len(r) == 0 {
			return nil, fmt.Errorf("%w: row %d is empty", llama.ErrInvalid, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return len(rows[i]) - len(rows[j]) })
	for begin := 0; begin < len(order); {
		end, longest := begin, 0
		for end < len(order) && end-begin < batchRows {
			n := len(rows[order[end]])
			if end > begin && n*(end-begin+1) > batchTokens {
				break
			}
			longest, end = n, end+1
		}
		var group [][]int32
		for _, i := range order[begin:end] {
			group = append(group, rows[i])
		}
		qs, err := m.lastGroup(ctx, group, longest*len(group))
		if err != nil {
			return nil, err
		}
		for k, i := range order[begin:end] {
			out[i] = qs[k]
		}
		begin = end
	}
	return out, nil
}

// lastGroup computes rows by a program, or reads their queries with a hook in a
// decode.
func (m *Model) lastGroup(ctx context.Context, rows [][]int32, tokens int) ([][]float32, error) {
	c, err := m.contextFor(tokens)
	if err != nil {
		return nil, err
	}
	if tokens <= batchTokens {
		qs, ok, err := replay.LastQueries(ctx, c, wholeBatch(rows), m.passCopies(c, 0))
		if ok || err != nil {
			return qs, err
		}
		c.Clear()
	}
	d := decoder{c: c}
	var b llama.Batch
	at := make([]int32, len(rows))
	for seq, r := range rows {
		for pos, t := range r[:len(r)-1] {
			if err := d.add(ctx, t, pos, seq, nil); err != nil {
				return nil, err
			}
		}
		b.Add(r[len(r)-1], len(r)-1, seq, true)
		at[seq] = int32(seq)
	}
	if err := d.flush(ctx); err != nil {
		return nil, err
	}
	h := llama.Hook{Place: m.network.query, Width: m.info.Width, Rows: at, Data: make([]float32, len(rows)*m.info.Width)}
	if err := c.DecodeHooked(ctx, &b, []llama.Hook{h}); err != nil {
		return nil, err
	}
	out := make([][]float32, len(rows))
	for i := range out {
		out[i] = h.Data[i*h.Width:][:h.Width]
	}
	return out, nil
}

// wholeBatch is rows as sequences of their own, with logits at their last tokens.
func wholeBatch(rows [][]int32) llama.Batch {
	var b llama.Batch
	for seq, r := range rows {
		for pos, t := range r {
			b.Add(t, pos, seq, pos == len(r)-1)
		}
	}
	return b
}
