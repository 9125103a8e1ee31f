package trace

import (
	"slices"

	"retcon/llama"
	"retcon/replay"
)

// plan splits a trace into parts whose values fit the memory.
type plan struct {
	job      *job
	samples  [][]int
	rows     int   // most rows of a batch
	runs     int   // most runs of a batch
	values   int64 // bytes that a batch's values in a layer may take
	states   int64 // bytes that the experiments' streams may take
	held     int64 // bytes of all that is no copy of a weight
	copies   int64 // bytes
	resident bool
	total    int // layers of experiments
}

// group is runs that are computed beside each other: a token restored in a
// sample each.
type group struct {
	cells []cell
	sever bool
}

// shares are the most that values may take of the memory beside the process and
// the smallest context: those of the layer in hand, the streams of the
// experiments, what an estimate keeps. The last two lie in Go's heap, and are its
// size.
type shares struct{ values, streams, kept float64 }

var (
	besideCopies = shares{1. / 10, 15. / 64, 1. / 8}
	// where no weight is copied, larger batches have the memory: weights are read,
	// and dequantised, less often
	withoutCopies = shares{3. / 20, 15. / 64, 9. / 16}
)

// mostRows is a batch beyond which products run no faster.
const mostRows = 1024

// newPlan chooses the sizes.
func (j *job) newPlan() *plan {
	memory := float64(max(0, j.free(1, 1)))
	share := besideCopies
	if j.shape.Own || !j.processor.Copies {
		share = withoutCopies
	}
	p := &plan{job: j, values: int64(memory * share.values), states: int64(memory * share.streams / replay.HeapGrowth())}
	n, span := len(j.prompt.Tokens), len(j.prompt.Tokens)-j.prompt.Begin
	per := j.fit(p.values, int64(memory*share.kept), p.states)
	for s := range j.cfg.Corruption.Samples() {
		if s%per == 0 {
			p.samples = append(p.samples, nil)
		}
		last := len(p.samples) - 1
		p.samples[last] = append(p.samples[last], s)
	}
	var values, streams int64
	if a := j.cfg.Approx; a != nil {
		streams = j.refinedBytes(span * len(p.samples[0]))
		passes := 2 * a.Steps // there and back; the corrupted end is known
		if a.Steps > 1 {
			passes++
		}
		p.total = passes * j.layers * len(p.samples)
	}
	for _, chunk := range p.samples {
		rows := n + len(chunk)*span
		p.rows, p.runs = max(p.rows, rows), max(p.runs, len(chunk)+1)
		values = max(values, j.layerBytes(rows, len(chunk)+1))
		for _, g := range p.groups(chunk) {
			rows := p.rowsOf(g)
			p.rows, p.runs = max(p.rows, rows), max(p.runs, len(g.cells))
			values = max(values, j.layerBytes(rows, len(g.cells)))
			for _, exps := range p.experiments(j, g) {
				streams = max(streams, int64(len(exps))*j.streamBytes(rows))
				for _, e := range exps {
					p.total += j.layers - e.start
				}
			}
		}
	}
	base := n + len(p.samples[0])*span
	kept := j.keptBytes(base, len(p.samples[0])+1) + 8*j.streamBytes(base) // with those of the layer in hand
	free := j.free(p.rows, p.runs)
	p.held = j.opts.Memory - free + values + replay.HeapBytes(streams+kept)
	p.copies = max(0, j.opts.Memory-p.held)
	p.resident = j.weightBytes() <= p.copies
	return p
}

func (p *plan) rowsOf(g group) int {
	rows := 0
	for _, c := range g.cells {
		rows += len(p.job.prompt.Tokens) - c.token
	}
	return rows
}

// groups lists the runs of a chunk of samples: for the grids every token from
// the subject on, for severed runs the subject's last.
func (p *plan) groups(samples []int) []group {
	j := p.job
	var out []group
	var g group
	rows := 0
	flush := func() {
		if len(g.cells) > 0 {
			out = append(out, g)
		}
		g, rows = group{}, 0
	}
	count := int64(max(1, j.gridExperiments()))
	if j.gridExperiments() > 0 {
		for token := j.prompt.Begin; token < len(j.prompt.Tokens); token++ {
			span := len(j.prompt.Tokens) - token
			for s := range samples {
				runs := len(g.cells) + 1
				full := count*j.streamBytes(rows+span) > p.states || j.layerBytes(rows+span, runs) > p.values
				if rows+span > mostRows || runs > llama.MaxSequences || full {
					flush()
				}
				g.cells = append(g.cells, cell{token, s})
				rows += span
			}
		}
		flush()
	}
	if j.cfg.Sever {
		for s := range samples {
			g.cells = append(g.cells, cell{j.prompt.End - 1, s})
		}
		g.sever = true
		flush()
	}
	return out
}

// gridExperiments is the number of columns of the grids.
func (j *job) gridExperiments() int {
	n := 0
	if j.cfg.Approx != nil {
		return 0
	}
	if j.cfg.Hidden {
		n += j.layers - 1
	}
	if j.cfg.MLP {
		n += j.layers
	}
	if j.cfg.Attn {
		n += j.layers
	}
	return n
}

// experiments lists those of a group, in parts whose streams fit the memory.
func (p *plan) experiments(j *job, g group) [][]*experiment {
	var all []*experiment
	if g.sever {
		all = j.severExperiments()
	} else {
		all = j.gridColumns()
	}
	per := int(max(1, p.states/j.streamBytes(p.rowsOf(g))))
	if g.sever && j.cfg.Pin != nil {
		per = len(all) // they branch from each other
	}
	var out [][]*experiment
	for len(all) > 0 {
		n := min(per, len(all))
		part := all[:n]
		for _, e := range part {
			if e.trunk != nil && !slices.Contains(part, e.trunk) {
				e.alone()
			}
		}
		out = append(out, part)
		all = all[n:]
	}
	return out
}

// gridColumns are the columns of the grids that need a run.
func (j *job) gridColumns() []*experiment {
	var out []*experiment
	r := j.result
	if j.cfg.Hidden {
		for l := range j.layers - 1 {
			out = append(out, hidden(l, r.target(r.Hidden, func(d *LogitDifference) [][]float64 { return d.Hidden }, l)))
		}
	}
	for _, k := range j.kinds() {
		if k.module != replay.NoModule {
			out = append(out, j.windows(k.module, func(l int) target { return r.target(k.grid, k.of, l) })...)
		}
	}
	return out
}

// windows are the runs of a module's windows, the longest of those that begin
// at layer 0 first: the others are the same run up to their ends.
func (j *job) windows(m replay.Module, into func(layer int) target) []*experiment {
	var out []*experiment
	var trunk *experiment
	for l := j.layers - 1; l >= 0; l-- {
		begin, end := windowAt(l, j.cfg.Window, j.layers)
		e := window(m, begin, end, into(l))
		switch {
		case begin > 0 || end == j.layers:
		case trunk == nil:
			trunk = e
		default:
			e.branch(trunk, end)
		}
		out = append(out, e)
	}
	return out
}

// severExperiments are the runs of the severed series.
func (j *job) severExperiments() []*experiment {
	s := j.result.Severed
	series := func(v []float64, l int) target {
		return func(int) (*float64, *float64) { return &v[l], nil }
	}
	var out []*experiment
	for l := range j.layers - 1 {
		out = append(out, hidden(l, series(s.Single, l)))
	}
	for _, m := range []struct {
		module replay.Module
		into   []float64
	}{{replay.FFN, s.MLPSevered}, {replay.Attention, s.AttnSevered}} {
		var trunk *experiment
		if j.cfg.Pin != nil {
			trunk = held(m.module, series(m.into, j.layers-1))
			out = append(out, trunk)
		}
		for l := range j.layers - 1 {
			e := severed(m.module, l, series(m.into, l))
			if trunk != nil {
				e.branch(trunk, e.start)
			}
			out = append(out, e)
		}
	}
	return out
}
