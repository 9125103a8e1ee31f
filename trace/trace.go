package trace

import (
	"context"
	"fmt"
	"time"

	"retcon/graph"
	"retcon/llama"
	"retcon/replay"
)

// Config says what to trace.
type Config struct {
	Noise  [][]float32 // [sample][subject token x width]: added to the embeddings
	Level  float64     // its standard deviation, for the record
	Window int         // layers of a module window
	Hidden bool
	MLP    bool
	Attn   bool
	Sever  bool
	// Pin is the noise of the run whose module outputs severed runs are held
	// to; nil means Noise itself. The original draws anew for its second pass.
	Pin [][]float32
	// Progress, if not nil, is told how many of the runs are done.
	Progress func(done, total int)
}

// tracer holds one trace.
type tracer struct {
	cfg    Config
	prompt Prompt
	base   *states
	pinned *states        // the run that severed modules are held to
	decode *replay.Decode // runs of the grids: every restored token x sample
	tokens []int          // the tokens restored: the subject's first and later
	layers int
	done   int
	total  int
	model  *llama.Model
	opts   llama.ContextParams
}

// Run traces a prompt.
func Run(ctx context.Context, m *llama.Model, p Prompt, threads int, cfg Config) (*Result, error) {
	start := time.Now()
	if len(cfg.Noise) == 0 || cfg.Window < 1 {
		return nil, fmt.Errorf("%w: a trace needs samples of noise and a window", llama.ErrInvalid)
	}
	if cfg.Pin == nil {
		cfg.Pin = cfg.Noise
	}
	if len(cfg.Pin) != len(cfg.Noise) {
		return nil, fmt.Errorf("%w: %d samples of noise, %d to pin", llama.ErrInvalid, len(cfg.Noise), len(cfg.Pin))
	}
	for _, n := range append(cfg.Noise[:len(cfg.Noise):len(cfg.Noise)], cfg.Pin...) {
		if len(n) != (p.End-p.Begin)*m.Info().Width {
			return nil, fmt.Errorf("%w: noise of %d values for %d tokens", llama.ErrInvalid, len(n), p.End-p.Begin)
		}
	}
	t := &tracer{cfg: cfg, prompt: p, layers: m.Info().Layers, model: m}
	for i := p.Begin; i < len(p.Tokens); i++ {
		t.tokens = append(t.tokens, i)
	}
	if len(t.tokens)*len(cfg.Noise) > llama.MaxSequences {
		return nil, fmt.Errorf("%w: %d tokens x %d samples are more than %d runs", llama.ErrUnsupported, len(t.tokens), len(cfg.Noise), llama.MaxSequences)
	}
	if err := t.baseline(ctx, threads); err != nil {
		return nil, err
	}
	r := &Result{
		Prompt: p.Text, Subject: [2]int{p.Begin, p.End}, Answer: m.Text([]int32{t.base.clean}),
		PClean: t.base.pClean, PCorrupted: t.base.pCorrupted, Noise: cfg.Level, Samples: len(cfg.Noise), Window: cfg.Window,
	}
	for _, id := range p.Tokens {
		r.Tokens = append(r.Tokens, m.Piece(id, true))
	}
	if err := t.grids(ctx, threads, r); err != nil {
		return nil, err
	}
	if cfg.Sever {
		var err error
		if r.Severed, err = t.sever(ctx, threads); err != nil {
			return nil, err
		}
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// context is a context for so many runs of the prompt.
func (t *tracer) context(threads, runs int, everywhere bool) (*llama.Context, error) {
	n := runs * len(t.prompt.Tokens)
	outputs := runs
	if everywhere {
		outputs = n
	}
	return t.model.NewContext(llama.ContextParams{Cells: (n + 255) / 256 * 256, Batch: n, Outputs: outputs, Sequences: runs, Threads: threads})
}

// baseline runs clean and corrupted.
func (t *tracer) baseline(ctx context.Context, threads int) error {
	c, err := t.context(threads, len(t.cfg.Noise)+1, true)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := replay.Record(ctx, c, wholeRuns(t.prompt, 1, true))
	if err != nil {
		return err
	}
	c.Clear()
	if t.base, err = baseline(ctx, c, d.Graph, d.Sites, t.prompt, t.cfg.Noise); err != nil {
		return err
	}
	t.pinned = t.base
	if t.cfg.Sever && &t.cfg.Pin[0] != &t.cfg.Noise[0] {
		c.Clear()
		t.pinned, err = baseline(ctx, c, d.Graph, d.Sites, t.prompt, t.cfg.Pin)
	}
	return err
}

// grids runs the kinds that were asked for.
func (t *tracer) grids(ctx context.Context, threads int, r *Result) error {
	kinds := []struct {
		on   bool
		into *[][]float64
		run  func(context.Context, int) ([][]float64, error)
	}{
		{t.cfg.Hidden, &r.Hidden, t.hiddenLayer},
		{t.cfg.MLP, &r.MLP, func(ctx context.Context, l int) ([][]float64, error) { return t.windowAt(ctx, l, false) }},
		{t.cfg.Attn, &r.Attn, func(ctx context.Context, l int) ([][]float64, error) { return t.windowAt(ctx, l, true) }},
	}
	for _, k := range kinds {
		if k.on {
			t.total += t.layers
		}
	}
	if t.total == 0 {
		return nil
	}
	runs := len(t.tokens) * len(t.cfg.Noise)
	c, err := t.context(threads, runs, false)
	if err != nil {
		return err
	}
	defer c.Close()
	if t.decode, err = replay.Record(ctx, c, wholeRuns(t.prompt, runs, false)); err != nil {
		return err
	}
	for _, k := range kinds {
		if !k.on {
			continue
		}
		grid := t.grid()
		for l := range t.layers {
			column, err := k.run(ctx, l)
			if err != nil {
				return err
			}
			for i, p := range column {
				grid[t.tokens[i]][l] = p[0]
			}
			t.done++
			if t.cfg.Progress != nil {
				t.cfg.Progress(t.done, t.total)
			}
		}
		*k.into = grid
	}
	return nil
}

// grid is a grid in which nothing is restored.
func (t *tracer) grid() [][]float64 {
	g := make([][]float64, len(t.prompt.Tokens))
	for i := range g {
		g[i] = make([]float64, t.layers)
		for j := range g[i] {
			g[i][j] = t.base.pCorrupted
		}
	}
	return g
}

func (t *tracer) rows(runs int) graph.Rows {
	return graph.Rows{Sequences: runs, Length: len(t.prompt.Tokens)}
}
