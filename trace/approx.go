package trace

import (
	"context"
	"math"

	"retcon/internal/logits"
	"retcon/replay"
)

// Approx says how the grids are estimated instead of computed cell by cell, by
// attribution patching (arXiv 2310.10348): the difference between clean and
// corrupted value times the gradient of the answer's log-odds there.
type Approx struct {
	// Steps is the number of points between the corrupted and the clean
	// embedding over which the gradient is the mean (integrated gradients); 1
	// takes it at the corrupted embedding alone. 0 means 1.
	Steps int
	// Refine is the number of cells of each grid, the strongest by the estimate,
	// that are then computed exactly.
	Refine int
}

// point is the place of a step: the middles of equal parts of the way, or, of a
// single step, its corrupted end.
func (x *Approx) point(step int) float32 {
	if x.Steps == 1 {
		return 0
	}
	return (float32(step) + 0.5) / float32(x.Steps)
}

// attribution is the state of one estimate.
type attribution struct {
	job     *job
	base    *base
	runs    *replay.Runs // the corrupted runs, on the base
	samples int
	rows    int // of a corrupted run: from the subject on
	width   int

	embedding []float32 // of the base
	start     []float32 // of the corrupted runs
	shares    []*replay.Shares
	// by layer: the clean run's values and the corrupted runs'
	cleanAt, corruptAt []values
	moves              []moves
	odds               []float64    // log-odds of the answer in each run
	grads              [3][]float32 // of the layer in hand: before it, FFN, attention
}

// values are a layer's: the stream after it and its modules' outputs.
type values struct{ stream, ffn, attn []float32 }

// moves are by how much restoring a layer's values at a row moves the log-odds of
// its run, by row of the corrupted runs.
type moves struct{ stream, ffn, attn []float64 }

// estimate fills the grids by attribution.
func (j *job) estimate(ctx context.Context) error {
	a := &attribution{job: j, rows: len(j.prompt.Tokens) - j.prompt.Begin, width: j.model.Info().Width}
	for _, samples := range j.plan.samples {
		if err := a.estimate(ctx, samples); err != nil {
			return err
		}
	}
	return nil
}

// estimate adds the estimates of some samples.
func (a *attribution) estimate(ctx context.Context, samples []int) error {
	j := a.job
	a.shares, a.cleanAt, a.corruptAt, a.odds = nil, nil, nil, nil
	a.samples, a.moves = len(samples), make([]moves, j.layers)
	for l := range a.moves {
		n := a.samples * a.rows
		a.moves[l] = moves{make([]float64, n), make([]float64, n), make([]float64, n)}
	}
	if err := a.forward(ctx, samples); err != nil {
		return err
	}
	if err := a.layOut(ctx, samples); err != nil {
		return err
	}
	for step := range j.cfg.Approx.Steps {
		if err := a.step(ctx, j.cfg.Approx.point(step)); err != nil {
			return err
		}
	}
	a.fill()
	return nil
}

// forward computes the clean run and the corrupted ones, and keeps their
// values.
func (a *attribution) forward(ctx context.Context, samples []int) error {
	j := a.job
	var err error
	if a.base, err = newBase(ctx, j.context, j.prompt, &j.cfg.Corruption, samples); err != nil {
		return err
	}
	a.embedding = a.base.before
	for range j.layers {
		if err := a.base.step(ctx, a.copies()); err != nil {
			return err
		}
		a.shares = append(a.shares, a.base.shares)
		all := values{a.base.stream, a.base.output[replay.FFN], a.base.output[replay.Attention]}
		a.cleanAt = append(a.cleanAt, all.part(a, 0, 1))
		a.corruptAt = append(a.corruptAt, all.part(a, 1, a.base.runs.Count()))
		j.progress(1)
	}
	j.choose(a.base)
	for _, s := range samples {
		p := j.pCorrupted[s]
		a.odds = append(a.odds, math.Log(max(p, 1e-30))-math.Log(max(1-p, 1e-30)))
	}
	return nil
}

// part is the values of runs [from, to) of the base. Behind the last layer a run
// has one row.
func (v values) part(a *attribution, from, to int) values {
	cut := func(x []float32) []float32 {
		rows, runs := a.base.runs.Rows(), a.base.runs.Count()
		begin, end := a.base.runs.Start(from), rows
		if to < runs {
			end = a.base.runs.Start(to)
		}
		if len(x)%(rows*a.width) != 0 || len(x) != rows*a.width {
			begin, end, rows = from, to, runs
		}
		n := len(x) / rows
		return x[begin*n : end*n]
	}
	return values{cut(v.stream), cut(v.ffn), cut(v.attn)}
}

// layOut makes the corrupted runs again, on the clean one, so that each can be
// differentiated.
func (a *attribution) layOut(ctx context.Context, samples []int) error {
	j := a.job
	var runs []replay.Run
	for i := range samples {
		runs = append(runs, replay.Run{First: j.prompt.Begin, Rows: a.base.rows(i + 1), Tokens: j.cfg.Corruption.Tokens})
	}
	var err error
	a.runs, err = replay.NewRuns(ctx, j.context, j.prompt.Tokens, runs, a.base.runs.Rows())
	if err == nil {
		a.start = a.runs.Gather(a.embedding, a.width)
	}
	return err
}

// pass takes embeddings through all layers.
func (a *attribution) pass(ctx context.Context, stream []float32) ([]values, error) {
	var out []values
	for l := range a.job.layers {
		v, err := a.layer(ctx, l, stream)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		stream = v.stream
		a.job.progress(1)
	}
	return out, nil
}

// cleanRow is the base's row that a row of the runs would have without the
// corruption.
func (a *attribution) cleanRow(i int) int { return a.job.prompt.Begin + i%a.rows }

// step adds the gradient at a point from 0, corrupted, to 1, clean.
func (a *attribution) step(ctx context.Context, share float32) error {
	x, at := a.start, a.corruptAt
	if share > 0 {
		x = append([]float32(nil), a.start...)
		for i := range a.runs.Rows() {
			for d := range a.width {
				v := &x[i*a.width+d]
				*v += share * (a.embedding[a.cleanRow(i)*a.width+d] - *v)
			}
		}
		var err error
		if at, err = a.pass(ctx, x); err != nil {
			return err
		}
	}
	streams := [][]float32{x}
	for _, v := range at {
		streams = append(streams, v.stream)
	}
	return a.backward(ctx, streams)
}

// layer computes a layer of the runs between.
func (a *attribution) layer(ctx context.Context, layer int, stream []float32) (v values, err error) {
	l, err := a.runs.Layer(ctx, replay.LayerSpec{Layer: layer, Keep: true, Copies: a.copies()})
	if err != nil {
		return v, err
	}
	defer l.Close()
	if err := l.Share(a.shares[layer]); err != nil {
		return v, err
	}
	if err := l.Run(ctx, stream, nil); err != nil {
		return v, err
	}
	if v.stream, err = l.Stream(); err != nil {
		return v, err
	}
	if v.ffn, err = l.Output(replay.FFN); err != nil {
		return v, err
	}
	v.attn, err = l.Output(replay.Attention)
	return v, err
}

// copies is the copies of weights. The output matrix meets few rows: a copy of
// it would cost more than it saves.
func (a *attribution) copies() *replay.Copies {
	return a.job.copies.Except(a.job.model.Info().Vocab)
}

// backward takes the gradient of each run's log-odds from the logits to every
// layer, and adds up what it says of the values that would be restored.
func (a *attribution) backward(ctx context.Context, streams [][]float32) error {
	j := a.job
	seed, tokens := a.seed(streams[j.layers])
	for l := j.layers - 1; l >= 0; l-- {
		clean, corrupt := a.cleanAt[l], a.corruptAt[l]
		if l < j.layers-1 {
			a.add(a.moves[l].stream, clean.stream, corrupt.stream, seed)
		}
		if err := a.reverse(ctx, l, tokens, streams[l], seed); err != nil {
			return err
		}
		a.add(a.moves[l].ffn, clean.ffn, corrupt.ffn, a.grads[1])
		a.add(a.moves[l].attn, clean.attn, corrupt.attn, a.grads[2])
		seed = a.grads[0]
		j.progress(1)
	}
	return nil
}

// reverse takes the gradient through a layer.
func (a *attribution) reverse(ctx context.Context, layer int, tokens []int32, stream, seed []float32) error {
	r, err := a.runs.Reverse(ctx, replay.ReverseSpec{Layer: layer, Copies: a.copies(), Tokens: tokens})
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Share(a.shares[layer]); err != nil {
		return err
	}
	return r.Run(ctx, stream, seed, &a.grads)
}

// seed is the derivative of log(p/(1-p)) by the logits, (e - p) / (1 - p), of the
// tokens that it names. Unlike the probability's own, it does not vanish where p
// is near 0 or 1.
func (a *attribution) seed(x []float32) (seed []float32, tokens []int32) {
	n := len(x) / a.samples
	p := make([]float32, len(x))
	for s := range a.samples {
		logits.Softmax(p[s*n:][:n], x[s*n:][:n])
	}
	if a.runs.PicksTokens() {
		tokens = likely(p, n, a.job.answer)
	}
	return a.derivative(p, n, tokens), tokens
}

// derivative picks tokens of it, all for nil, [tokens x samples].
func (a *attribution) derivative(p []float32, n int, tokens []int32) []float32 {
	var out []float32
	for s := range a.samples {
		row := p[s*n:][:n]
		rest := max(1-row[a.job.answer], 1e-6)
		if tokens == nil {
			for i, v := range row {
				if out = append(out, -v/rest); int32(i) == a.job.answer {
					out[len(out)-1] = 1
				}
			}
			continue
		}
		for _, t := range tokens {
			if t == a.job.answer {
				out = append(out, 1)
			} else {
				out = append(out, -row[t]/rest)
			}
		}
	}
	return out
}

// unlikely is how much of a run's probability its left-out tokens may hold: far
// less than the rounding of the products that the gradient goes through.
const unlikely = 1e-4

// likely names the tokens that hold all but an unlikely part of every row of
// probabilities [rows x n], and the answer.
func likely(p []float32, n int, answer int32) []int32 {
	keep := make([]bool, n)
	keep[answer] = true
	for ; len(p) > 0; p = p[n:] {
		least := threshold(p[:n])
		for i, v := range p[:n] {
			keep[i] = keep[i] || v >= least
		}
	}
	var out []int32
	for i, k := range keep {
		if k {
			out = append(out, int32(i))
		}
	}
	return out
}

// threshold is a probability below which tokens hold no more than an unlikely
// part, to an eighth of a power of two.
func threshold(p []float32) float32 {
	const shift = 20
	var mass [1 << (32 - shift)]float64
	for _, v := range p {
		mass[math.Float32bits(v)>>shift] += float64(v)
	}
	sum := 0.0
	for i, m := range mass {
		if sum += m; sum > unlikely {
			return math.Float32frombits(uint32(i) << shift)
		}
	}
	return 0
}
