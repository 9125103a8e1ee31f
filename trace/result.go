package trace

import (
	"retcon/llama"
	"retcon/lm"
	"retcon/trace/result"
)

// What a trace gives; see package result.
type (
	Result          = result.Trace
	Grids           = result.Grids
	Measure         = result.Measure
	LogitDifference = result.LogitDifference
	Severed         = result.Severed
	Approximated    = result.Approximated
	Cell            = result.Cell
)

// sums is a result that is being made: its grids hold sums over the samples until
// finish takes the means.
type sums struct{ *Result }

// newResult makes room for what is asked for.
func newResult(m *llama.Model, p Prompt, cfg *Config) sums {
	r := &Result{
		Prompt: p.Text, TokensBytes: p.Pieces(), Subject: [2]int{p.Begin, p.End}, Noise: cfg.Level,
		Samples: cfg.Corruption.Samples(), Window: cfg.Window,
	}
	for _, id := range p.Tokens {
		r.Tokens = append(r.Tokens, m.Piece(id, true))
	}
	layers := m.Info().Layers
	grid := func(on bool) [][]float64 {
		if !on {
			return nil
		}
		g := make([][]float64, len(p.Tokens))
		for i := range g {
			g[i] = make([]float64, layers)
		}
		return g
	}
	grids := func() Grids { return Grids{Hidden: grid(cfg.Hidden), MLP: grid(cfg.MLP), Attn: grid(cfg.Attn)} }
	r.Grids = grids()
	if cfg.Foil != (Foil{}) {
		r.LogitDifference = &LogitDifference{Measure: Measure{Grids: grids()}}
	}
	if cfg.Approx != nil {
		r.Approx = &Approximated{Steps: cfg.Approx.Steps, Refined: []Cell{}}
	}
	if cfg.Sever {
		r.Severed = &Severed{Single: make([]float64, layers), MLPSevered: make([]float64, layers), AttnSevered: make([]float64, layers)}
	}
	return sums{r}
}

// target is a column of a grid and of the same grid of logit differences.
func (r sums) target(grid [][]float64, of func(*LogitDifference) [][]float64, layer int) target {
	return func(token int) (*float64, *float64) {
		if r.LogitDifference == nil {
			return &grid[token][layer], nil
		}
		return &grid[token][layer], &of(r.LogitDifference)[token][layer]
	}
}

// finish turns sums into means and fills the cells that need no run.
func (j *job) finish() {
	r := j.result
	n := float64(r.Samples)
	r.Answer, r.AnswerToken = j.model.Text([]int32{j.answer}), j.answer
	r.AnswerBytes = lm.Fragment(r.Answer)
	r.PCorrupted = mean(j.pCorrupted)
	for _, g := range [][][]float64{r.Hidden, r.MLP, r.Attn} {
		j.finishGrid(g, n, r.PCorrupted)
	}
	j.finishHidden(r.Hidden, r.PClean, r.PCorrupted)
	if d := r.LogitDifference; d != nil {
		d.Foil, d.Corrupted = j.model.Text([]int32{j.foil}), mean(j.dCorrupted)
		d.FoilBytes = lm.Fragment(d.Foil)
		for _, g := range [][][]float64{d.Hidden, d.MLP, d.Attn} {
			j.finishGrid(g, n, d.Corrupted)
		}
		j.finishHidden(d.Hidden, d.Clean, d.Corrupted)
	}
	if s := r.Severed; s != nil {
		for _, series := range s.All() {
			for l := range series {
				series[l] /= n
			}
		}
		j.finishSevered(s)
	}
}

func (j *job) finishGrid(g [][]float64, samples, corrupted float64) {
	for token, row := range g {
		for l := range row {
			if row[l] /= samples; token < j.prompt.Begin {
				row[l] = corrupted
			}
		}
	}
}

// finishHidden fills the last layer, after which nothing but the last token is
// read.
func (j *job) finishHidden(g [][]float64, clean, corrupted float64) {
	for token, row := range g {
		row[j.layers-1] = corrupted
		if token == len(g)-1 {
			row[j.layers-1] = clean
		}
	}
}

// finishSevered does so for the series of the subject's last token. A pinned
// run of other noise has values of its own there.
func (j *job) finishSevered(s *Severed) {
	last, value := j.layers-1, j.result.PCorrupted
	if j.prompt.End == len(j.prompt.Tokens) {
		value = j.result.PClean
	}
	s.Single[last] = value
	if j.cfg.Pin == nil {
		s.MLPSevered[last], s.AttnSevered[last] = value, value
	}
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
