package trace

import (
	"context"

	"retcon/llama"
	"retcon/replay"
)

// base is the clean run of a prompt and corrupted runs beside it, a layer at a
// time. A corrupted run begins at the subject: what comes before is the clean
// run's.
type base struct {
	prompt  Prompt
	samples []int // of the corrupted runs
	runs    *replay.Runs
	width   int
	layers  int

	layer  int            // the layer in hand
	before []float32      // the stream that it reads, [rows x width]
	stream []float32      // the stream after it; after the last layer, logits
	output [3][]float32   // its modules' outputs
	shares *replay.Shares // what other runs take of it
}

// newBase lays out the runs of some samples.
func newBase(ctx context.Context, c *llama.Context, p Prompt, cor *Corruption, samples []int) (*base, error) {
	info := c.Model().Info()
	b := &base{prompt: p, samples: samples, width: info.Width, layers: info.Layers, layer: -1}
	before := make([]int32, p.Begin) // rows of the clean run
	for i := range before {
		before[i] = int32(i)
	}
	runs := []replay.Run{{}}
	for range samples {
		runs = append(runs, replay.Run{First: p.Begin, Rows: before, Tokens: cor.Tokens})
	}
	var err error
	if b.runs, err = replay.NewRuns(ctx, c, p.Tokens, runs, 0); err != nil {
		return nil, err
	}
	return b, b.embed(ctx, cor)
}

// embed makes the embeddings of all runs, corrupted where they are to be.
func (b *base) embed(ctx context.Context, cor *Corruption) error {
	var err error
	if b.before, err = b.runs.Embedding(ctx); err != nil {
		return err
	}
	for i, s := range b.samples {
		cor.apply(b.before[b.row(i+1, b.prompt.Begin)*b.width:], s)
	}
	return nil
}

// row is the row of a run's token: run 0 is clean, others are corrupted.
func (b *base) row(run, token int) int {
	if run == 0 || token < b.prompt.Begin {
		return token
	}
	return b.runs.Start(run) + token - b.prompt.Begin
}

// rows names the row of each token of a run.
func (b *base) rows(run int) []int32 {
	out := make([]int32, len(b.prompt.Tokens))
	for i := range out {
		out[i] = int32(b.row(run, i))
	}
	return out
}

// step computes the next layer.
func (b *base) step(ctx context.Context, copies *replay.Copies) error {
	if b.layer >= 0 {
		b.before = b.stream
	}
	b.layer++
	l, err := b.runs.Layer(ctx, replay.LayerSpec{Layer: b.layer, Keep: true, Copies: copies})
	if err != nil {
		return err
	}
	defer l.Close()
	if b.shares != nil {
		if err := l.Share(b.shares); err != nil {
			return err
		}
	}
	if err := l.Run(ctx, b.before, nil); err != nil {
		return err
	}
	if b.shares, err = l.Shares(b.shares); err != nil {
		return err
	}
	for _, m := range []replay.Module{replay.FFN, replay.Attention} {
		if b.output[m], err = l.Output(m); err != nil {
			return err
		}
	}
	b.stream, err = l.Stream()
	return err
}

func (b *base) last() bool { return b.layer == b.layers-1 }

// outputOf is a module's output at a run's token in the layer in hand. In the
// last layer the FFN has those of last tokens only.
func (b *base) outputOf(m replay.Module, run, token int) []float32 {
	row := b.row(run, token)
	if len(b.output[m]) != b.runs.Rows()*b.width {
		row = run
	}
	return b.output[m][row*b.width:][:b.width]
}

// streamOf is the residual stream after the layer in hand at a run's token.
func (b *base) streamOf(run, token int) []float32 {
	return b.stream[b.row(run, token)*b.width:][:b.width]
}

// logits are those after a run, once the last layer is done.
func (b *base) logits(run int) []float32 {
	n := len(b.stream) / b.runs.Count()
	return b.stream[run*n:][:n]
}
