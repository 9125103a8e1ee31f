// Package locate finds the layer at which a model recalls facts, by a trace of
// each: for an edit of that layer, say.
package locate

import (
	"context"
	"fmt"

	"retcon/llama"
	"retcon/trace"
	"retcon/trace/doubt"
	"retcon/trace/result"
)

// Config says how prompts are traced. The zero value will do.
type Config struct {
	Seed    uint64 // of the noise
	Threads int    // 0: all processors
	Memory  int64  // as in [trace.Options]
	// Progress, if not nil, is told how much of the work is done.
	Progress func(done, total int64)
}

// Located is the layer in the middle of the window of FFN outputs that brings
// back most of the answer's probability when they are restored at the subject's
// last token. Effects are means over the prompts.
type Located struct {
	Layer      int
	Window     [2]int    // layers restored, [begin, end)
	Effect     float64   // p(restored) - p(corrupted)
	RunnerUp   *RunnerUp // nil in a model of one layer
	Effects    []float64 // by the layer that the window is around
	PClean     float64
	PCorrupted float64
	Prompts    int
	Warnings   []string // why it may say little
}

// RunnerUp is the next best layer.
type RunnerUp struct {
	Layer  int
	Effect float64
}

// Caveat is what has to be said beside a layer that was found by tracing.
const Caveat = "where a fact is recalled need not be where it is edited best (arXiv 2301.04213)"

// littleEffect is the effect below which it hardly tells layers apart.
const littleEffect = 0.02

// Layer traces the FFN outputs of prompts, which must hold one fact each, with the
// subject hidden as by a zero [trace.Hiding].
func Layer(ctx context.Context, m *llama.Model, prompts []trace.Prompt, cfg Config) (*Located, error) {
	if len(prompts) == 0 {
		return nil, fmt.Errorf("%w: no prompts to trace", llama.ErrInvalid)
	}
	hider, err := trace.NewHider(ctx, m, trace.Hiding{Seed: cfg.Seed})
	if err != nil {
		return nil, err
	}
	t := trace.New(m, trace.Options{Threads: cfg.Threads, Memory: cfg.Memory})
	defer t.Close()
	layers := m.Info().Layers
	window := windowOf(layers)
	sum := &effects{window: window, mean: make([]float64, layers), doubts: doubt.Tally{}}
	for i, p := range prompts {
		c, _, err := hider.Config(trace.Config{Window: window, MLP: true}, p, "")
		if err != nil {
			return nil, err
		}
		if cfg.Progress != nil {
			c.Progress = func(done, total int) { cfg.Progress(int64(i*total+done), int64(len(prompts)*total)) }
		}
		r, err := t.Run(ctx, p, c)
		if err != nil {
			return nil, err
		}
		sum.add(r)
		sum.doubts.Add(doubt.Kinds(doubt.OfTrace(m, p, r, "")))
	}
	return sum.located(), nil
}

// windowOf is a third of the layers, ten at most: as ROME's ten of GPT-2 XL's 48,
// and less than the whole of a small model.
func windowOf(layers int) int { return max(1, min(trace.DefaultWindow, layers/3)) }

// effects are FFN effects at the subject's last token, their means over traces.
type effects struct {
	window           int
	mean             []float64 // by layer
	clean, corrupted float64
	traces           int
	doubts           doubt.Tally
}

// add takes a trace into the means.
func (e *effects) add(r *result.Trace) {
	e.traces++
	n := float64(e.traces)
	e.clean += (r.PClean - e.clean) / n
	e.corrupted += (r.PCorrupted - e.corrupted) / n
	for l, p := range r.MLP[r.Subject[1]-1] {
		e.mean[l] += (p - r.PCorrupted - e.mean[l]) / n
	}
}

// located reads the layer off the means.
func (e *effects) located() *Located {
	best := 0
	for l, v := range e.mean {
		if v > e.mean[best] {
			best = l
		}
	}
	begin, end := result.Window(best, e.window, len(e.mean))
	out := &Located{
		Layer: e.middle(best), Window: [2]int{begin, end}, Effect: e.mean[best], Effects: e.mean,
		PClean: e.clean, PCorrupted: e.corrupted, Prompts: e.traces,
	}
	for l, v := range e.mean {
		if m := e.middle(l); m != out.Layer && (out.RunnerUp == nil || v > out.RunnerUp.Effect) {
			out.RunnerUp = &RunnerUp{Layer: m, Effect: v}
		}
	}
	if out.Effect < littleEffect {
		out.Warnings = append(out.Warnings, fmt.Sprintf("FFN outputs at the subject's last token bring back %.2g of the answer's probability at most: the trace hardly tells layers apart", max(0, out.Effect)))
	}
	delete(e.doubts, doubt.PartOfWord) // these are of the request, whatever is done with it
	delete(e.doubts, doubt.SharedToken)
	for _, text := range e.doubts.Sentences(e.traces) {
		out.Warnings = append(out.Warnings, "in the trace for the layer, "+text)
	}
	return out
}

// middle is the layer in the middle of the window around a layer, the later one
// of two.
func (e *effects) middle(layer int) int {
	_, high := result.Centre(layer, e.window, len(e.mean))
	return high
}
