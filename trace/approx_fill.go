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
				row := s*a.rows + i
				ffn[l], attn[l] = a.moves[l].ffn[row], a.moves[l].attn[row]
				if r.Hidden != nil && l < j.layers-1 {
					r.Hidden[token][l] += a.probability(s, a.moves[l].stream[row])
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

// add adds (clean - corrupted) · gradient at every row to into, the mean over the
// steps. Where only last tokens are left, others have no part in it.
func (a *attribution) add(into []float64, clean, corrupted, grad []float32) {
	w, begin, rows := a.width, a.job.prompt.Begin, a.rows
	at := func(sample, i int) int { return sample*rows + i }
	first := 0
	if len(corrupted) != a.samples*rows*w {
		first, begin = rows-1, 1-rows
		at = func(sample, _ int) int { return sample }
	}
	for s := range a.samples {
		for i := first; i < rows; i++ {
			from, row := (begin+i)*w, at(s, i)*w
			d := dotDifference(clean[from:][:w], corrupted[row:][:w], grad[row:][:w])
			into[s*rows+i] += d / float64(a.job.cfg.Approx.Steps)
		}
	}
}

// dotDifference is (x - y) · g.
func dotDifference(x, y, g []float32) float64 {
	var sum [4]float64
	y, g = y[:len(x)], g[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		sum[0] += float64((x[i] - y[i]) * g[i])
		sum[1] += float64((x[i+1] - y[i+1]) * g[i+1])
		sum[2] += float64((x[i+2] - y[i+2]) * g[i+2])
		sum[3] += float64((x[i+3] - y[i+3]) * g[i+3])
	}
	for ; i < len(x); i++ {
		sum[0] += float64((x[i] - y[i]) * g[i])
	}
	return sum[0] + sum[1] + sum[2] + sum[3]
}

// probability is that of a sample's log-odds moved by d.
func (a *attribution) probability(sample int, d float64) float64 {
	return 1 / (1 + math.Exp(-(a.odds[sample] + d)))
}
