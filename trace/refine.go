package trace

import (
	"cmp"
	"context"
	"slices"

	"retcon/replay"
)

// pick is a cell of a grid that is to be computed exactly.
type pick struct {
	kind         string
	token, layer int
}

// refine computes cells of each estimated grid exactly: half of them a few of
// the subject's last token, where facts are recalled as a rule whatever the
// estimate says, and the strongest estimates, apart from each other since
// neighbouring cells share most of what they restore; then those around the
// strongest found.
func (j *job) refine(ctx context.Context) error {
	k := j.cfg.Approx.Refine
	done := map[pick]bool{}
	for _, round := range []func(kind, map[pick]bool) []pick{
		func(g kind, done map[pick]bool) []pick { return j.apart(g, (k+1)/2) },
		func(g kind, done map[pick]bool) []pick { return j.around(g, done, k/2) },
	} {
		if err := j.exact(ctx, done, round); err != nil {
			return err
		}
	}
	for _, g := range j.kinds() {
		j.scaleDown(g, done)
	}
	return nil
}

// exact computes the cells that choose names for each grid.
func (j *job) exact(ctx context.Context, done map[pick]bool, choose func(kind, map[pick]bool) []pick) error {
	lanes := map[int][]*experiment{}
	for _, k := range j.kinds() {
		for _, p := range choose(k, done) {
			done[p] = true
			e := j.exactly(k, p)
			j.plan.total += (j.layers - e.start) * len(j.plan.samples)
			j.result.Approx.Refined = append(j.result.Approx.Refined, Cell{Kind: k.name, Token: p.token, Layer: p.layer})
			lanes[p.token] = append(lanes[p.token], e)
		}
	}
	for _, samples := range j.plan.samples {
		w, err := j.newWave(ctx, samples)
		if err != nil {
			return err
		}
		for token := range j.prompt.Tokens {
			if len(lanes[token]) == 0 {
				continue
			}
			var cells []cell
			for s := range samples {
				cells = append(cells, cell{token, s})
			}
			if err := w.add(ctx, j.context, cells, lanes[token]); err != nil {
				return err
			}
		}
		if err := w.run(ctx, j.choose); err != nil {
			return err
		}
	}
	return nil
}

// kind is a grid of the trace.
type kind struct {
	name   string
	grid   [][]float64
	of     func(*LogitDifference) [][]float64
	module replay.Module // NoModule: the state after a layer
}

// kinds lists the grids asked for.
func (j *job) kinds() []kind {
	r := j.result
	var out []kind
	for _, k := range []kind{
		{"hidden", r.Hidden, func(d *LogitDifference) [][]float64 { return d.Hidden }, replay.NoModule},
		{"mlp", r.MLP, func(d *LogitDifference) [][]float64 { return d.MLP }, replay.FFN},
		{"attn", r.Attn, func(d *LogitDifference) [][]float64 { return d.Attn }, replay.Attention},
	} {
		if k.grid != nil {
			out = append(out, k)
		}
	}
	return out
}

// candidates lists the cells of a grid that need a run, the strongest first.
// The last layer's states are known without one.
func (j *job) candidates(k kind) []pick {
	var all []pick
	for token := j.prompt.Begin; token < len(j.prompt.Tokens); token++ {
		for l := range j.layers {
			if k.module != replay.NoModule || l < j.layers-1 {
				all = append(all, pick{k.name, token, l})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b pick) int { return cmp.Compare(k.grid[b.token][b.layer], k.grid[a.token][a.layer]) })
	return all
}

// spacing is how many layers of a token lie between cells that are chosen
// first.
const spacing = 2

// Of the cells that are chosen first one in four is the subject's last token's,
// spread over the first three fifths of the layers. Without them the strongest
// state was missed in 3 of 16 facts; estimates put it 50th to 150th
// (docs/results.md).
const (
	anchorShare  = 4
	anchorLayers = 3. / 5
)

// apart lists n cells to begin with: anchors, then the strongest estimates,
// spaced.
func (j *job) apart(k kind, n int) []pick {
	var out []pick
	taken := map[pick]bool{}
	take := func(p pick) {
		out = append(out, p)
		for d := -spacing; d <= spacing; d++ {
			taken[pick{p.kind, p.token, p.layer + d}] = true
		}
	}
	for i := range n / anchorShare {
		at := (float64(i) + 0.5) / float64(n/anchorShare) * anchorLayers
		if p := (pick{k.name, j.prompt.End - 1, int(at * float64(j.layers))}); !taken[p] {
			take(p)
		}
	}
	for _, p := range j.candidates(k) {
		if len(out) == n {
			break
		}
		if !taken[p] {
			take(p)
		}
	}
	return out
}

// around lists up to n cells next to the strongest that are known.
func (j *job) around(k kind, done map[pick]bool, n int) []pick {
	var out []pick
	for _, p := range j.candidates(k) {
		if !done[p] {
			continue
		}
		for _, d := range [][2]int{{0, -1}, {0, 1}, {0, -2}, {0, 2}, {1, 0}, {-1, 0}} {
			q := pick{p.kind, p.token + d[0], p.layer + d[1]}
			inside := q.token >= j.prompt.Begin && q.token < len(j.prompt.Tokens) && q.layer >= 0 && q.layer < j.layers
			if !inside || done[q] || slices.Contains(out, q) || k.module == replay.NoModule && q.layer == j.layers-1 {
				continue
			}
			if out = append(out, q); len(out) == n {
				return out
			}
		}
	}
	return out
}

// scaleDown shrinks the effects that are still estimates so that none exceeds
// the strongest that is known.
func (j *job) scaleDown(k kind, done map[pick]bool) {
	floor := mean(j.pCorrupted) * float64(j.result.Samples)
	known, guessed := 0.0, 0.0
	for _, p := range j.candidates(k) {
		if effect := k.grid[p.token][p.layer] - floor; done[p] {
			known = max(known, effect)
		} else {
			guessed = max(guessed, effect)
		}
	}
	if guessed < known {
		return
	}
	known *= 0.999 // of equals the one that is known is the strongest
	for _, p := range j.candidates(k) {
		if v := &k.grid[p.token][p.layer]; !done[p] {
			*v = floor + (*v-floor)*known/guessed
		}
	}
}

// exactly is the experiment of one cell, whose estimate it clears.
func (j *job) exactly(k kind, p pick) *experiment {
	into := j.result.target(k.grid, k.of, p.layer)
	prob, diff := into(p.token)
	*prob = 0
	if diff != nil {
		*diff = 0
	}
	if k.module == replay.NoModule {
		return hidden(p.layer, into)
	}
	begin, end := windowAt(p.layer, j.cfg.Window, j.layers)
	return window(k.module, begin, end, into)
}
