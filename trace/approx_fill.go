package trace

import "math"

// fill turns attributions into probabilities: each run's log-odds and what the
// restored values would add to them.
func (a *attribution) fill() {
	j := a.job
	r := j.result
	for i := range a.rows {
		token := j.prompt.Begin + i
		for s := range a.samples {
			ffn, attn := make([]float64, j.layers), make([]float64, j.layers)
			for l := range j.layers {
				ffn[l] = a.product(s, i, a.cleanAt[l].ffn, a.corruptAt[l].ffn, a.gradAt[l].ffn)
				attn[l] = a.product(s, i, a.cleanAt[l].attn, a.corruptAt[l].attn, a.gradAt[l].attn)
				if r.Hidden != nil && l < j.layers-1 {
					d := a.product(s, i, a.cleanAt[l].stream, a.corruptAt[l].stream, a.gradAt[l].stream)
					r.Hidden[token][l] += a.probability(s, d)
				}
			}
			a.windows(r.MLP, token, s, ffn)
			a.windows(r.Attn, token, s, attn)
		}
	}
}

// windows adds up the layers of each window.
func (a *attribution) windows(grid [][]float64, token, sample int, each []float64) {
	if grid == nil {
		return
	}
	j := a.job
	for l := range j.layers {
		begin, end := windowAt(l, j.cfg.Window, j.layers)
		sum := 0.0
		for _, v := range each[begin:end] {
			sum += v
		}
		grid[token][l] += a.probability(sample, sum)
	}
}

// product is (clean - corrupted) · gradient at a token of a sample, the gradient
// being the mean over the steps. Where only last tokens are left, others have
// no part in it.
func (a *attribution) product(sample, i int, clean, corrupted, grad []float32) float64 {
	w := a.width
	row, whole := sample*a.rows+i, len(corrupted) == a.samples*a.rows*w
	from := a.job.prompt.Begin + i
	if !whole {
		if i != a.rows-1 {
			return 0
		}
		row, from = sample, 0
	}
	sum := 0.0
	for d := range w {
		sum += float64(clean[from*w+d]-corrupted[row*w+d]) * float64(grad[row*w+d])
	}
	return sum / float64(a.job.cfg.Approx.Steps)
}

// probability is that of a sample's log-odds moved by d.
func (a *attribution) probability(sample int, d float64) float64 {
	return 1 / (1 + math.Exp(-(a.odds[sample] + d)))
}
