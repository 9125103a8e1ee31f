package fakemodel

import (
	"context"

	"retcon/internal/vec"
	"retcon/lm"
)

type fakeMoments struct {
	sum   []float64
	count int64
}

func (m *fakeMoments) Count() int64 { return m.count }

func (m *fakeMoments) Dim() int { return FF }

func (m *fakeMoments) Close() error { return nil }

func (m *fakeMoments) Block(dst []float32, r0, r1, c0, c1 int) error {
	for r := r0; r < r1; r++ {
		for c := c0; c < c1; c++ {
			dst[(r-r0)*(c1-c0)+c-c0] = float32(m.sum[r*FF+c])
		}
	}
	return nil
}

func (f *Model) Moments(ctx context.Context, layer int, texts [][]int32, progress func(int64)) (lm.Moments, error) {
	m := &fakeMoments{sum: make([]float64, FF*FF)}
	for _, t := range texts {
		for _, k := range f.forward(t, -1, -1, nil).k[layer] {
			for i, x := range k {
				for j, y := range k {
					m.sum[i*FF+j] += x * y
				}
			}
			m.count++
		}
		if progress != nil {
			progress(m.count)
		}
	}
	return m, ctx.Err()
}

type fakeObjective struct {
	f       *Model
	layer   int
	rows    []lm.ObjectiveRow
	batches []lm.Batch
	clean   [][]float64 // log-probabilities to keep
}

func (f *Model) Objective(ctx context.Context, layer int, rows []lm.ObjectiveRow, batches []lm.Batch) (lm.Objective, error) {
	o := &fakeObjective{f: f, layer: layer, rows: rows, batches: batches}
	for _, r := range rows {
		var logs []float64
		if r.KLWeight != 0 {
			_, logs = softmax(f.logits(f.forward(r.Tokens, -1, -1, nil).x[r.KeepAt]))
		}
		o.clean = append(o.clean, logs)
	}
	return o, ctx.Err()
}

func (o *fakeObjective) Close() error { return nil }

func (o *fakeObjective) Step(ctx context.Context, batch int, delta, grad []float32) (lm.Loss, error) {
	var loss lm.Loss
	sum := make([]float64, len(delta))
	for j, i := range o.batches[batch].Rows {
		r := o.rows[i]
		r.NLLWeight *= o.batches[batch].Scale[j]
		r.KLWeight *= o.batches[batch].Scale[j]
		s := o.f.forward(r.Tokens, o.layer, r.At, delta[r.Edit*Width:][:Width])
		g := make([][]float64, len(r.Tokens))
		for t := range g {
			g[t] = make([]float64, Width)
		}
		nll, kl := 0., 0.
		add := func(t int, gl []float64) {
			for w, v := range gl {
				for c := range g[t] {
					g[t][c] += sharp * v * o.f.head[w][c]
				}
			}
		}
		for _, t := range r.Targets {
			p, logs := softmax(o.f.logits(s.x[t.At]))
			nll -= logs[t.Token] / float64(len(r.Targets))
			p[t.Token]--
			add(t.At, vec.Scaled(p, r.NLLWeight/float64(len(r.Targets))))
		}
		if r.KLWeight != 0 {
			p, logs := softmax(o.f.logits(s.x[r.KeepAt]))
			for w := range p {
				kl += p[w] * (logs[w] - o.clean[i][w])
			}
			for w := range p {
				p[w] *= r.KLWeight * (logs[w] - o.clean[i][w] - kl)
			}
			add(r.KeepAt, p)
		}
		loss.NLL, loss.KL = append(loss.NLL, nll), append(loss.KL, kl)
		for c, v := range o.f.backward(s, g, o.layer)[r.At] {
			sum[r.Edit*Width+c] += v
		}
	}
	copy(grad, vec.Narrow(sum, 1))
	return loss, ctx.Err()
}
