package trace

import "retcon/llama"

// Result is the trace of one prompt. Grids hold the answer's mean probability
// over the samples, [token][layer]; cells that cannot differ from the corrupted
// run hold PCorrupted.
type Result struct {
	Prompt     string      `json:"prompt"`
	Tokens     []string    `json:"tokens"`
	Subject    [2]int      `json:"subject"` // tokens [begin, end)
	Answer     string      `json:"answer"`
	PClean     float64     `json:"p_clean"`
	PCorrupted float64     `json:"p_corrupted"`
	Noise      float64     `json:"noise"`
	Samples    int         `json:"samples"`
	Window     int         `json:"window"`
	Hidden     [][]float64 `json:"hidden,omitempty"`
	MLP        [][]float64 `json:"mlp,omitempty"`
	Attn       [][]float64 `json:"attn,omitempty"`
	Severed    *Severed    `json:"severed,omitempty"`
	// LogitDifference is the same in another measure, if a foil was named.
	LogitDifference *LogitDifference `json:"logit_difference,omitempty"`
	// Approx says that the grids are estimates, but for the cells it names.
	Approx  *Approximated `json:"approx,omitempty"`
	Seconds float64       `json:"seconds"`
}

// Approximated says how grids were estimated.
type Approximated struct {
	Steps   int    `json:"steps"`
	Refined []Cell `json:"refined"` // computed exactly
}

// Cell is a place in a grid.
type Cell struct {
	Kind  string `json:"kind"`
	Token int    `json:"token"`
	Layer int    `json:"layer"`
}

// Severed are the runs that restore the state of the subject's last token, by
// layer: alone, with the FFN outputs and with the attention outputs of that
// token at all later layers as in the corrupted run.
type Severed struct {
	Single      []float64 `json:"single"`
	MLPSevered  []float64 `json:"mlp_severed"`
	AttnSevered []float64 `json:"attn_severed"`
}

// LogitDifference is the answer's logit less the foil's, the mean over the
// samples (arXiv 2309.16042).
type LogitDifference struct {
	Foil      string      `json:"foil"`
	Clean     float64     `json:"clean"`
	Corrupted float64     `json:"corrupted"`
	Hidden    [][]float64 `json:"hidden,omitempty"`
	MLP       [][]float64 `json:"mlp,omitempty"`
	Attn      [][]float64 `json:"attn,omitempty"`
}

// newResult makes room for what is asked for.
func newResult(m *llama.Model, p Prompt, cfg *Config) *Result {
	r := &Result{
		Prompt: p.Text, Subject: [2]int{p.Begin, p.End}, Noise: cfg.Level,
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
	r.Hidden, r.MLP, r.Attn = grid(cfg.Hidden), grid(cfg.MLP), grid(cfg.Attn)
	if cfg.Foil != NoFoil {
		r.LogitDifference = &LogitDifference{Hidden: grid(cfg.Hidden), MLP: grid(cfg.MLP), Attn: grid(cfg.Attn)}
	}
	if cfg.Approx != nil {
		r.Approx = &Approximated{Steps: cfg.Approx.Steps, Refined: []Cell{}}
	}
	if cfg.Sever {
		r.Severed = &Severed{make([]float64, layers), make([]float64, layers), make([]float64, layers)}
	}
	return r
}

// target is a column of a grid and of the same grid of logit differences.
func (r *Result) target(grid [][]float64, of func(*LogitDifference) [][]float64, layer int) target {
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
	r.Answer = j.model.Text([]int32{j.answer})
	r.PCorrupted = mean(j.pCorrupted)
	for _, g := range [][][]float64{r.Hidden, r.MLP, r.Attn} {
		j.finishGrid(g, n, r.PCorrupted)
	}
	j.finishHidden(r.Hidden, r.PClean, r.PCorrupted)
	if d := r.LogitDifference; d != nil {
		d.Foil, d.Corrupted = j.model.Text([]int32{j.foil}), mean(j.dCorrupted)
		for _, g := range [][][]float64{d.Hidden, d.MLP, d.Attn} {
			j.finishGrid(g, n, d.Corrupted)
		}
		j.finishHidden(d.Hidden, d.Clean, d.Corrupted)
	}
	if s := r.Severed; s != nil {
		for _, series := range [][]float64{s.Single, s.MLPSevered, s.AttnSevered} {
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

// finishHidden fills the last layer, behind which nothing but the last token is
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
