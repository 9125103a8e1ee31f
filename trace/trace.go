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
	tokens []int          // the tokens restored in a run of decode
	layers int
	done   int
	total  int
	model  *llama.Model
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
	if most := m.Info().ContextTrain; len(p.Tokens) > most {
		return nil, fmt.Errorf("%w: the prompt has %d tokens, the model's context %d", ErrPrompt, len(p.Tokens), most)
	}
	if len(cfg.Noise) >= llama.MaxSequences {
		return nil, fmt.Errorf("%w: %d samples; at most %d", ErrPrompt, len(cfg.Noise), llama.MaxSequences-1)
	}
	defer t.close()
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
		run  func(context.Context, int) ([]float64, error)
	}{
		{t.cfg.Hidden, &r.Hidden, t.hiddenLayer},
		{t.cfg.MLP, &r.MLP, func(ctx context.Context, l int) ([]float64, error) { return t.windowAt(ctx, l, false) }},
		{t.cfg.Attn, &r.Attn, func(ctx context.Context, l int) ([]float64, error) { return t.windowAt(ctx, l, true) }},
	}
	groups := t.groups()
	for _, k := range kinds {
		if k.on {
			t.total += t.layers * len(groups)
			*k.into = t.grid()
		}
	}
	if t.total == 0 {
		return nil
	}
	for _, t.tokens = range groups {
		if err := t.record(ctx, threads); err != nil {
			return err
		}
		for _, k := range kinds {
			if !k.on {
				continue
			}
			if err := t.columns(ctx, *k.into, k.run); err != nil {
				return err
			}
		}
	}
	return nil
}

// mostRows bounds the rows of a run, and with them its memory.
const mostRows = 1024

// groups splits the tokens that can matter, the subject's first and later, so
// that their runs with all samples fit a batch.
func (t *tracer) groups() [][]int {
	samples := len(t.cfg.Noise)
	runs := max(1, min(llama.MaxSequences, mostRows/len(t.prompt.Tokens))/samples)
	var out [][]int
	for i := t.prompt.Begin; i < len(t.prompt.Tokens); i++ {
		if n := len(out); n == 0 || len(out[n-1]) == runs {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], i)
	}
	return out
}

// record decodes the runs of a group beside each other.
func (t *tracer) record(ctx context.Context, threads int) error {
	t.close()
	runs := len(t.tokens) * len(t.cfg.Noise)
	c, err := t.context(threads, runs, false)
	if err != nil {
		return err
	}
	if t.decode, err = replay.Record(ctx, c, wholeRuns(t.prompt, runs, false)); err != nil {
		c.Close()
	}
	return err
}

// close frees the context of the last group.
func (t *tracer) close() {
	if t.decode != nil {
		t.decode.Context.Close()
		t.decode = nil
	}
}

// columns fills a grid for the tokens of the group, layer by layer.
func (t *tracer) columns(ctx context.Context, grid [][]float64, run func(context.Context, int) ([]float64, error)) error {
	for l := range t.layers {
		column, err := run(ctx, l)
		if err != nil {
			return err
		}
		for i, p := range column {
			grid[t.tokens[i]][l] = p
		}
		t.done++
		if t.cfg.Progress != nil {
			t.cfg.Progress(t.done, t.total)
		}
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
